-- Keeps what people write, and the keys of what they say, out of the database: bodies of MESSAGE become `xxx…`, and so
-- do keys for SRTP in session descriptions.
--
-- Set `filters.on_error = "drop"` with it, so that no packet is stored in which it fails.
--
-- [filters.censor_bodies]
-- methods = "MESSAGE, INFO"     whose bodies are hidden; default: MESSAGE
-- keys = false                  leaves keys where they are

local keys = settings.keys ~= false

local methods = {}
for method in (settings.methods or "MESSAGE"):gmatch("[^,%s]+") do
    methods[method:upper()] = true
end

function on_sip(message)
    -- A request goes by either, for its CSeq may be missing or say something else.
    local method, cseq_method = (message.method or ""):upper(), message.cseq_method or ""
    -- What has neither, or something odd instead, may be anything.
    local is_known = (method .. cseq_method):sub(1, 100):find("^%w+$")
    if methods[method] or methods[cseq_method] or not is_known then
        redact_body()
    elseif keys and message.body then
        redact_sdp_keys()
    end
end
