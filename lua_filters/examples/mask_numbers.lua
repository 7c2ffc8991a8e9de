-- Puts stars in place of telephone numbers, but for their last digits, before anything is stored.
--
-- Set `filters.on_error = "drop"` with it, so that no packet is stored in which it fails. Call-IDs and bodies stay as
-- they are: censor_bodies.lua is for those of MESSAGE.
--
-- [filters.mask_numbers]
-- keep_last = 3
-- names = true                  names are masked as numbers are
-- remove = "History-Info"       headers that go altogether, because other numbers may stand in them
-- domains = "example.com"       only of messages from or to one of these; default: of all

local FIELDS = { "from_user", "to_user", "ruri_user", "contact_user", "pai_user", "auth_user" }
local OTHER_NUMBERS = "Diversion, History-Info, P-Preferred-Identity, Refer-To, Referred-By, Remote-Party-ID"

local keep_last = settings.keep_last or 3
local names = settings.names or false

local function list(text)
    local items = {}
    for item in text:gmatch("[^,%s]+") do
        items[#items + 1] = item
    end
    return items
end

local remove = list(settings.remove or OTHER_NUMBERS)
local domains = list(settings.domains or "")
for _, domain in ipairs(domains) do
    domains[domain:lower()] = true
end

local function is_number(user)
    local beginning = user:sub(1, 100) -- patterns do not look through endless texts
    return beginning:find("^[%+%d][%d%-%.%(%)%*#]*$") and beginning:find("%d%d")
end

function on_sip(message)
    if #domains > 0 then
        local from, to = message.from_domain or "", message.to_domain or ""
        local is_known = from ~= "" or to ~= ""
        if is_known and not (domains[from:lower()] or domains[to:lower()]) then
            return
        end
    end
    local numbers = {}
    for _, field in ipairs(FIELDS) do
        local user = message[field]
        if user and (names or is_number(user)) then
            numbers[#numbers + 1] = field
        end
    end
    mask(numbers, keep_last)
    if #remove > 0 then
        remove_header(unpack(remove))
    end
end
