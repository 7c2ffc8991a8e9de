-- A module that a script and its test share.
return { word = "hello" }
