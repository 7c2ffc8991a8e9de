-- `json.decode` of scripts. In Lua, so that the budget of instructions and the limit of memory hold for it.
--
-- Each byte is looked at once, by patterns that begin where the last one ended. Leaves `environment.json`.

local environment = ...

local byte, char, find, format, sub = string.byte, string.char, string.find, string.format, string.sub
local concat = table.concat
local floor, tonumber, type = math.floor, tonumber, type
local sealed = environment.__names.sealed

local DEEPEST = 64 -- levels of lists and objects within each other; reports of real senders have five
local MOST = 4096 -- values and escapes: a text that a hostile sender made long must not use up the budget

local TOO_MANY = "more than " .. MOST .. " values"

local left -- of them, in the text at hand

local ESCAPED = {
    ['"'] = '"',
    ["\\"] = "\\",
    ["/"] = "/",
    b = "\b",
    f = "\f",
    n = "\n",
    r = "\r",
    t = "\t",
}

local function utf8(code)
    if code < 0x80 then
        return char(code)
    elseif code < 0x800 then
        return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40)
    elseif code < 0x10000 then
        return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
    end
    return char(
        0xF0 + floor(code / 0x40000),
        0x80 + floor(code / 0x1000) % 0x40,
        0x80 + floor(code / 0x40) % 0x40,
        0x80 + code % 0x40
    )
end

-- Each reader gets the text and where its value begins, and returns the value and the place behind it; or nil, nil
-- and what is wrong.

-- The character of `\uXXXX`, and of two of them where they are halves of one (RFC 8259 7).
local function read_code(text, at)
    local hex = sub(text, at, at + 3)
    if not find(hex, "^%x%x%x%x$") then
        return nil, nil, "four hexadecimal digits should follow \\u"
    end
    local code = tonumber(hex, 16)
    at = at + 4
    if code >= 0xD800 and code < 0xDC00 then
        local second = sub(text, at, at + 5)
        local low = find(second, "^\\u%x%x%x%x$") and tonumber(sub(second, 3), 16)
        if low and low >= 0xDC00 and low < 0xE000 then
            return utf8(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), at + 6
        end
    end
    -- Half a character alone has no bytes of its own.
    return code >= 0xD800 and code < 0xE000 and "\239\191\189" or utf8(code), at
end

local function read_string(text, at)
    local parts = {}
    at = at + 1
    while true do
        local _, last = find(text, '^[^"\\]*', at)
        if last >= at then
            parts[#parts + 1] = sub(text, at, last)
        end
        local mark = sub(text, last + 1, last + 1)
        if mark == '"' then
            return concat(parts), last + 2
        elseif mark == "" then
            return nil, nil, "a text has no end"
        end
        left = left - 1
        if left < 0 then
            return nil, nil, TOO_MANY
        end
        local letter = sub(text, last + 2, last + 2)
        local escaped = ESCAPED[letter]
        at = last + 3
        if letter == "u" then
            local words
            escaped, at, words = read_code(text, at)
            if words then
                return nil, nil, words
            end
        elseif not escaped then
            return nil, nil, "\\" .. letter .. " stands for nothing"
        end
        parts[#parts + 1] = escaped
    end
end

local function read_number(text, at)
    local _, last = find(text, "^-?%d+", at)
    if not last or find(text, "^-?0%d", at) then
        return nil, nil, "no value"
    end
    local mark = byte(text, last + 1)
    if mark == 0x2E then
        local _, fraction = find(text, "^%.%d+", last + 1)
        last = fraction or last
        mark = byte(text, last + 1)
    end
    if mark == 0x45 or mark == 0x65 then
        local _, exponent = find(text, "^[eE][+-]?%d+", last + 1)
        last = exponent or last
    end
    return tonumber(sub(text, at, last)), last + 1
end

local WORDS = { [0x66] = "false", [0x6E] = "null", [0x74] = "true" } -- by their first letters

local function read_word(text, at, word)
    local behind = at + #word
    if sub(text, at, behind - 1) ~= word then
        return nil, nil, "no value"
    elseif word == "null" then
        return nil, behind
    end
    return word == "true", behind
end

local function skip(text, at)
    local mark = byte(text, at)
    if not mark or mark > 0x20 then
        return at
    end
    local _, last = find(text, "^[ \t\r\n]*", at)
    return last + 1
end

local read_value

local function read_list(text, at, depth)
    local list, index = {}, 0
    at = skip(text, at + 1)
    if byte(text, at) == 0x5D then
        return list, at + 1
    end
    while true do
        local value, behind, words = read_value(text, at, depth)
        if words then
            return nil, nil, words
        end
        index = index + 1
        list[index] = value
        at = skip(text, behind)
        local mark = byte(text, at)
        if mark == 0x5D then
            return list, at + 1
        elseif mark ~= 0x2C then
            return nil, nil, "a list goes on without a comma"
        end
        at = skip(text, at + 1)
    end
end

local function read_object(text, at, depth)
    local object = {}
    at = skip(text, at + 1)
    if byte(text, at) == 0x7D then
        return object, at + 1
    end
    while true do
        if byte(text, at) ~= 0x22 then
            return nil, nil, "a name should stand here"
        end
        local name, behind, words = read_string(text, at)
        if words then
            return nil, nil, words
        end
        at = skip(text, behind)
        if byte(text, at) ~= 0x3A then
            return nil, nil, "a name has no colon"
        end
        local value
        value, behind, words = read_value(text, skip(text, at + 1), depth)
        if words then
            return nil, nil, words
        end
        object[name] = value
        at = skip(text, behind)
        local mark = byte(text, at)
        if mark == 0x7D then
            return object, at + 1
        elseif mark ~= 0x2C then
            return nil, nil, "an object goes on without a comma"
        end
        at = skip(text, at + 1)
    end
end

function read_value(text, at, depth)
    local mark = byte(text, at)
    left = left - 1
    if left < 0 then
        return nil, nil, TOO_MANY
    elseif mark == 0x22 then
        return read_string(text, at)
    elseif WORDS[mark] then
        return read_word(text, at, WORDS[mark])
    elseif mark ~= 0x7B and mark ~= 0x5B then
        return read_number(text, at)
    elseif depth == DEEPEST then
        return nil, nil, "more than " .. DEEPEST .. " levels"
    elseif mark == 0x7B then
        return read_object(text, at, depth + 1)
    end
    return read_list(text, at, depth + 1)
end

-- What a JSON text says; nil and words when it is none, because it comes from the network and not from the script.
local function decode(text)
    if type(text) ~= "string" then
        return nil, "not text but " .. type(text)
    end
    left = MOST
    local value, behind, words = read_value(text, skip(text, 1), 0)
    if words then
        return nil, words
    end
    behind = skip(text, behind)
    if find(text, "^%z*$", behind) then
        return value
    end
    return nil, format("something follows the value, at byte %d", behind)
end

environment.json = sealed("json", { decode = decode })
