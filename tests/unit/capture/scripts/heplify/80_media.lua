-- RTCP finds its call by the address in the SDP.
function rememberMedia()
    local sip = GetSIPStruct()
    if sip == '' or sip == nil then
        local call = HashTable("get", GetHEPSrcIP() .. ":" .. GetHEPSrcPort(), "")
        if call ~= "" then
            SetHEPField("SID", call)
            SetHEPField("CID", call)
        end
        return
    end
    local ip = sip.Body:match("\nc=IN IP4 (%S+)")
    local port = sip.Body:match("\nm=audio (%d+)")
    if ip and port then
        HashTable("set", ip .. ":" .. (port + 1), sip.CallID)
    end
end
