-- Agent ids become names of nodes.
function nameNode()
    local name = agents[GetHEPNodeID()]
    if name then
        SetHEPField("NodeName", name)
    end
end
