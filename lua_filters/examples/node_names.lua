-- Gives capture nodes names by their ids, where they send none themselves.
--
-- [filters.node_names]
-- 2001 = "sbc-north"
-- 2002 = "sbc-south"
-- always = true          also where the node names itself

local always = settings.always or false

function on_packet(packet)
    if packet.capture_id and (always or not packet.node) then
        local name = settings[tostring(packet.capture_id)]
        if name then
            set("node", name)
        end
    end
end
