-- Errors that help: what a misspelt name may have meant, and tables that have no other names than theirs.
--
-- Leaves `environment.__names` for the libraries after it, which take it away.

local environment = ...

local error, ipairs, pairs, setmetatable, tostring, type = error, ipairs, pairs, setmetatable, tostring, type
local getmetatable = debug.getmetatable
local byte, find, format, gsub, lower, sub =
    string.byte, string.find, string.format, string.gsub, string.lower, string.sub
local min, sort = math.min, table.sort

local LONGEST = 40 -- the longest name that is compared: the cost is the product of both lengths

local function distance(one, other)
    -- Levenshtein's, of one row after the other.
    local row = {}
    for column = 0, #other do
        row[column] = column
    end
    for line = 1, #one do
        local diagonal = row[0]
        row[0] = line
        for column = 1, #other do
            local changed = diagonal + (byte(one, line) == byte(other, column) and 0 or 1)
            diagonal = row[column]
            row[column] = min(changed, diagonal + 1, row[column - 1] + 1)
        end
    end
    return row[#other]
end

local function plain(name)
    return (gsub(lower(name), "[^%w]", ""))
end

-- ` (did you mean NAME?)`, or nothing. `known` has names as keys, `others` what people say for some of them.
local function guess(name, known, others)
    if type(name) ~= "string" or #name > LONGEST then
        return ""
    end
    local wanted = plain(name)
    local best, fewest = others and others[wanted], 1 + #wanted / 3
    if not best then
        local names = {}
        for candidate in pairs(known) do
            names[#names + 1] = candidate
        end
        sort(names) -- so that the same mistake gets the same answer
        for _, candidate in ipairs(names) do
            local steps = distance(wanted, plain(candidate))
            if steps < fewest then
                best, fewest = candidate, steps
            end
        end
    end
    return best and format(" (did you mean %s?)", best) or ""
end

-- A table of functions that says what it does not have, and cannot be changed.
local function sealed(name, members)
    return setmetatable({}, {
        __index = function(_, key)
            local member = members[key]
            if member == nil then
                error(format("%s has no %s%s", name, tostring(key), guess(key, members)), 2)
            end
            return member
        end,
        __newindex = function()
            error(name .. " cannot be changed", 2)
        end,
        __metatable = false,
    })
end

-- Words in which a text of any length and content can stand.
local function shown(value)
    if type(value) ~= "string" then
        return type(value) == "table" and "a table" or type(value) == "function" and "a function" or tostring(value)
    end
    local text = #value > LONGEST and sub(value, 1, LONGEST) .. "…" or value
    return '"' .. (find(text, "%c") and gsub(text, "%c", "?") or text) .. '"'
end

-- Functions of heplify-server, which are not here: a script of the new kind has no others but its own.
local INSTEAD = {
    GetHEPStruct = "the fields of what the function is given: message.source …",
    GetSIPStruct = "the fields of message: message.from_user …",
    GetHEPProtoType = "message.protocol_type",
    GetHEPSrcIP = "message.source",
    GetHEPSrcPort = "message.source_port",
    GetHEPDstIP = "message.destination",
    GetHEPDstPort = "message.destination_port",
    GetHEPTimeSeconds = "message.time",
    GetHEPTimeUseconds = "message.time",
    GetHEPNodeID = "message.capture_id",
    GetRawMessage = "message.payload",
    SetRawMessage = 'set("payload", text)',
    SetHEPField = "set(field, value)",
    SetSIPProfile = "route(profile)",
    SetSIPHeader = "set(field, value), or tag(name, value)",
    SetCustomSIPHeader = "tag(name, value)",
    SetLokiLabel = "tag(name, value)",
    HashTable = "cache.get(key), cache.set(key, value, seconds)",
    HashString = "hash.md5(text) …",
    Logp = "log.info(text), log.error(text)",
    Print = "log.info(text)",
    print = "log.info(text)",
    scriptEngine = "message, set and the like: see docs/lua.md",
    HEP = "message, set and the like: see docs/lua.md",
}
local metatable = getmetatable(environment)
local sandboxed = metatable.__index

function metatable.__index(globals, name)
    local instead = INSTEAD[name]
    if instead then
        error(format("%s is not there: in a script of the new kind it is %s", name, instead), 2)
    end
    -- A tail call, so that its error names the script's line too.
    return sandboxed(globals, name)
end

environment.__names = { guess = guess, sealed = sealed, shown = shown }
