-- What a script of the new kind changes of the packet at hand. docs/lua.md is the page for who writes scripts.
--
-- Runs after message.lua. Each service takes the payload and returns what it makes of it, or nil and words.

local environment, masked, without_headers, without_body, without_keys, joined = ...

local core, message, names = environment.__core, environment.__message, environment.__names

local error, next, select, tostring, type, unpack = error, next, select, tostring, type, unpack
local byte, find, format, sub = string.byte, string.find, string.format, string.sub
local floor, max = math.floor, math.max
local read, write = core.read, core.write
local guess, shown = names.guess, names.shown
local check_packet, header_name, text = message.check_packet, message.header_name, message.text
local OTHER_NAMES, TAG = message.OTHER_NAMES, message.TAG

-- ---- fields ----

local SETTABLE = {}
for _, given in next, { message.COMMON, message.OF_SIP } do
    for name, field in next, given do
        if type(field) == "string" then
            SETTABLE[name] = field
        end
    end
end
SETTABLE.body, SETTABLE.is_request, SETTABLE.time = nil, nil, "time_us"
local WHY_NOT = {
    body = "use redact_body(), or set the payload",
    is_request = "it follows from the payload",
    status = "set method: of a response it is the status",
    transport = "it follows from the packet",
    text = "set the payload",
}

-- Why a value cannot be, in the script's names for the fields.
local function in_words(words, field, name)
    local _, last = find(words, name, 1, true)
    return last and sub(words, 1, #name) == name and field .. sub(words, last + 1) or field .. ": " .. words
end

function environment.set(field, value)
    check_packet("set")
    local name = SETTABLE[field]
    if not name then
        local why = WHY_NOT[field]
        error(
            why and format("%s cannot be set: %s", field, why)
                or format("set: there is no field %s%s", shown(field), guess(field, SETTABLE, OTHER_NAMES)),
            2
        )
    end
    if name == "profile" then
        error("profile cannot be set: use route(profile)", 2)
    elseif name == "time_us" and type(value) == "number" then
        value = floor(value * 1000000 + 0.5)
    elseif type(value) == "table" or type(value) == "function" or type(value) == "thread" then
        error(format("%s is text or a number, not a %s", field, type(value)), 2)
    end
    local words = write(name, value)
    if words then
        error(in_words(words, field, name), 2)
    end
end

function environment.tag(name, value)
    check_packet("tag")
    if type(value) == "boolean" then
        value = tostring(value)
    elseif value ~= nil then
        value = text(value, "tag: the value")
    end
    local words = core.tag(TAG .. text(name, "tag: the name"), value)
    if words then
        error("tag: " .. words, 2)
    end
end

-- ---- the payload ----

-- Sets what a service made of the payload. Services return nil and words instead.
local function set_payload(name, changed, words)
    words = not changed and words or changed and write("payload", changed)
    if words then
        error(name .. ": " .. words, 3)
    end
end

local function check_sip(name)
    check_packet(name, 4)
    if read("kind") ~= "sip" then
        error(name .. ": this packet is not SIP", 3)
    end
end

local MOST_HEADERS = 64 -- in one call
local OPENING_BRACE = 0x7B -- JSON may hold a message of which nothing can be read

function environment.remove_header(...)
    check_sip("remove_header")
    local headers, count = { ... }, max(1, select("#", ...))
    if count > MOST_HEADERS then
        error(format("remove_header: more than %d names", MOST_HEADERS), 2)
    end
    for index = 1, count do
        headers[index] = header_name(headers[index], "remove_header: the name")
    end
    local payload = read("payload")
    local changed, words = without_headers(payload, unpack(headers))
    if changed ~= payload then
        set_payload("remove_header", changed, words)
    end
end

local USERS = {
    auth_user = true,
    contact_user = true,
    from_user = true,
    pai_user = true,
    ruri_user = true,
    to_user = true,
}

-- Fields and their users in turn, of those that the message has.
local function users_of(fields)
    local list, length, seen = {}, 0, {}
    for index = 1, #fields do
        local field = fields[index]
        if not USERS[field] then
            error(format("mask: %s is not one of the users%s", shown(field), guess(field, USERS, OTHER_NAMES)), 3)
        end
        local value = not seen[field] and read(field)
        seen[field] = true
        if value and value ~= "" then
            list[length + 1], list[length + 2] = field, value
            length = length + 2
        end
    end
    return list, length
end

function environment.mask(fields, keep_last)
    check_sip("mask")
    local list, length = users_of(type(fields) == "table" and fields or { fields == nil and "nil" or fields })
    keep_last = keep_last == nil and 0 or keep_last
    if type(keep_last) ~= "number" or not (keep_last >= 0 and keep_last <= 1000 and keep_last == floor(keep_last)) then
        error("mask: keep_last is a whole number from 0 to 1000, not " .. shown(keep_last), 2)
    end
    local payload = read("payload")
    if length == 0 and byte(payload) ~= OPENING_BRACE then
        return
    end
    local results = { masked(payload, keep_last, unpack(list, 1, length)) }
    if length > 0 or not results[1] then
        set_payload("mask", results[1], results[2])
    end
    for index = 1, length, 2 do
        local mask = results[1 + (index + 1) / 2]
        local words = mask and write(list[index], mask)
        if words then
            error("mask: " .. words, 2)
        end
    end
end

function environment.redact_body()
    check_sip("redact_body")
    set_payload("redact_body", without_body(read("payload")))
end

function environment.redact_sdp_keys()
    check_sip("redact_sdp_keys")
    set_payload("redact_sdp_keys", without_keys(read("payload")))
end

-- ---- where it is filed ----

function environment.correlate(...)
    check_packet("correlate")
    local count = select("#", ...)
    if count == 0 then
        error("correlate: no value", 2)
    end
    local values = { ... }
    for index = 1, count do
        values[index] = text(values[index], "correlate: value " .. index)
    end
    local words = write("correlation_id", count == 1 and values[1] or joined(unpack(values, 1, count)))
    if words then
        error("correlate: " .. words, 2)
    end
end

function environment.route(profile)
    check_sip("route")
    local words = write("profile", text(profile, "route: the profile"))
    if words then
        error("route: " .. words, 2)
    end
end
