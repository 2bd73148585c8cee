-- The module of one version: copy to MODULEPATH/partita/0.1.0.lua, and set `prefix` to where the archive was unpacked.
local version = "0.1.0"
local prefix = pathJoin("/opt/partita", version)

help([[
Partitioned computations on many cores and many nodes. In a job: srun partita run -- COMMAND
]])
whatis("Name: Partita")
whatis("Version: " .. version)
whatis("URL: https://github.com/partita/partita")

conflict("partita")
prepend_path("PATH", pathJoin(prefix, "bin"))
prepend_path("MANPATH", pathJoin(prefix, "share/man"))
-- The Python package uses this program instead of the one in its wheel.
setenv("PARTITA_PROGRAM", pathJoin(prefix, "bin/partita"))
