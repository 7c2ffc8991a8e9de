-- Counts the messages that it has seen.
local n = 0
function on_sip()
    n = n + 1
    tag("n", n)
end
