-- The module of one version, after `tar -xzf partita-0.1.0-linux-x86_64.tar.gz -C /opt`: copy it to partita/0.1.0.lua
-- below a folder of MODULEPATH. If the archive was unpacked elsewhere, set `prefix` to the folder that contains `bin`.
local version = "0.1.0"
local prefix = pathJoin("/opt", "partita-" .. version .. "-linux-x86_64")

if mode() == "load" and not isFile(pathJoin(prefix, "bin/partita")) then
    LmodError("Partita is not in ", prefix, ": set `prefix` in ", myFileName())
end

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
