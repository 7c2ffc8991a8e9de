-- OPTIONS of the load balancer are not stored.
local ignored = 0
function dropKeepAlives()
    if GetHEPProtoType() == 1 then
        local sip = GetSIPStruct()
        if sip.FirstMethod == "OPTIONS" and sip.FromUser == "keepalive" then
            ignored = ignored + 1
            SetHEPField("ProtoType", "0")
        end
    end
end
