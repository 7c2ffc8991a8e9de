-- Names the trunk that a message came over or goes to, as the tag `trunk`, and counts calls by trunk for Prometheus.
--
-- [filters.trunk_metrics]
-- "198.51.100.7" = "north"        address of the other end = name of the trunk
-- "198.51.100.8" = "north"
-- "2001:db8::7" = "south"
-- file = "…"                    or a table of the script folder that has them: address,trunk
--
-- Metrics, with `trunk` and `direction` (`in`: from the trunk): rhapsode_script_trunk_calls_total counts INVITEs,
-- rhapsode_script_trunk_answers_total final answers to them by `status`, rhapsode_script_trunk_setup_seconds is the time
-- from INVITE to 200. What a proxy shows twice is counted twice.

local file = settings.file

local function name_of(address)
    return address and (settings[address] or file and lookup.file(file, address)) or nil
end

-- Of a dialog's first request; those within it have a tag in To.
local function count_call(message, trunk, direction)
    count("trunk_calls", { trunk = trunk, direction = direction })
    cache.set("trunk_metrics:" .. message.call_id, message.time, 300)
end

local function count_answer(message, trunk, direction)
    count("trunk_answers", { trunk = trunk, direction = direction, status = message.status })
    local key = "trunk_metrics:" .. message.call_id
    local began = cache.get(key)
    if began and message.status < 300 then
        observe("trunk_setup_seconds", message.time - began, { trunk = trunk, direction = direction })
    end
    cache.delete(key)
end

function on_sip(message)
    local from, to = name_of(message.source), name_of(message.destination)
    local trunk = from or to
    if not trunk then
        return
    end
    tag("trunk", trunk)
    if message.cseq_method ~= "INVITE" or not message.call_id then
        return
    end
    if message.method == "INVITE" and not message.to_tag then
        count_call(message, trunk, from and "in" or "out")
    elseif message.status and message.status >= 200 and cache.get("trunk_metrics:" .. message.call_id) then
        -- An answer goes the other way.
        count_answer(message, trunk, from and "out" or "in")
    end
end
