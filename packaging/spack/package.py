# Copy to var/spack/repos/builtin/packages/partita/package.py of a Spack repository.
from spack.package import *


class Partita(Package):
    """Partitioned computations on many cores and many nodes: SQL, data frames, arrays and Python functions."""

    homepage = "https://github.com/partita/partita"
    git = "https://github.com/partita/partita.git"

    license("Apache-2.0")

    version("0.1.0", tag="v0.1.0")
    version("main", branch="main")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("rust@1.95:", type="build")

    def install(self, spec, prefix):
        # Without the dashboard, whose compiler for wasm32 is not a package of Spack.
        cargo = which("cargo")
        cargo("xtask", "licenses")
        cargo("install", "--locked", "--root", prefix, "--path", "cli")
