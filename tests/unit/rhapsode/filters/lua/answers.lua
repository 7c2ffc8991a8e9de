-- Asks for everything that a test can answer.
function on_sip(message)
    local found = lookup.file("numbers.csv", message.from_user)
    if type(found) == "table" then
        found = found.country .. " in zone " .. found.zone
    end
    tag("country", found)
    tag("share", settings.share)
    tag("greeting", settings.greeting or "none")
    tag("seen", cache.get("seen"))
    cache.set("seen", "yes", 60)
    count("calls", { agent = message.user_agent })
    observe("seconds", 0.5)
    log.warn("agent %s", message.user_agent)
end
