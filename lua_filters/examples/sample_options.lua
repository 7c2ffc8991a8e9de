-- Keeps a share of what says little, OPTIONS pings above all: a request is kept with its answers, or none of it.
--
-- [filters.sample_options]
-- share = 0.01                      of the requests, from 0 to 1
-- methods = "OPTIONS, NOTIFY"       which are sampled; default: OPTIONS
-- Drops with the reason `sampled`.

local share = settings.share or 0.01

local methods = {}
for method in (settings.methods or "OPTIONS"):gmatch("[^,%s]+") do
    methods[method:upper()] = true
end

function on_sip(message)
    if methods[message.cseq_method] then
        sample(share)
    end
end
