-- Asks for everything that a test can answer.
function on_sip(message)
    tag("country", lookup.file("numbers.csv", message.from_user))
    tag("share", settings.share)
    tag("greeting", settings.greeting or "none")
    tag("seen", cache.get("seen"))
    cache.set("seen", "yes", 60)
    count("calls", { agent = message.user_agent })
    observe("seconds", 0.5)
    log.warn("agent %s", message.user_agent)
end
