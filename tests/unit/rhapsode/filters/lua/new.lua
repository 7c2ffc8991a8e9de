-- Drops, tags and joins, and fails where it is told to.
function on_sip(message)
    if message.user_agent == "scanner" then
        drop("scanner")
    end
    tag("agent", message.user_agent)
    if message.from_user == "broken" then
        set("node", "half")
        local nothing = nil
        nothing.field = 1
    end
    if message:header("X-CID") then
        correlate(message:header("X-CID"))
    end
end

function on_rtcp(report)
    set("node", "of " .. report:json().node)
end

function on_log(line)
    tag("text", line.text)
end
