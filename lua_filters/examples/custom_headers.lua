-- Makes headers searchable under their names, for every message of the call that one of its messages carries them in.
--
-- Headers that every message carries need no script: sip.custom_headers in the settings does it at less cost.
--
-- [filters.custom_headers]
-- headers = "X-Tenant, X-Account"     default: X-Tenant
-- hours = 4                           how long a call's values are remembered; 0: each message has its own only

local seconds = (settings.hours or 4) * 3600

local headers = {}
for name in (settings.headers or "X-Tenant"):gmatch("[^,%s]+") do
    headers[#headers + 1] = name
end

function on_sip(message)
    for _, name in ipairs(headers) do
        local value = message:header(name)
        if seconds > 0 and message.call_id then
            local key = "custom_headers:" .. name .. ":" .. message.call_id
            if value then
                cache.set(key, value, seconds)
            else
                value = cache.get(key)
            end
        end
        if value then
            tag(name, value)
        end
    end
end
