-- Takes away a header that no field shows.
function on_sip()
    remove_header("Max-Forwards")
end
