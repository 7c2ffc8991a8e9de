-- Trunk names for metrics.
function trunkName()
    local trunk = trunks[GetHEPSrcIP()] or trunks[GetHEPDstIP()]
    if trunk then
        SetHEPField("TargetName", trunk)
        SetLokiLabel("trunk", trunk)
        SetLokiLabel("src_ip", "is reserved")
    end
end
