#!/usr/bin/env bash
# Set up .venv for this project; `make env`, `make demo` and `make test` call
# it. Each step may be repeated, so after an interruption just run it again.
#
# Environment variables:
#   PYTHON     The Python to make .venv with, 3.10 to 3.13. Default: the first
#              of python3, python3.13, ..., python3.10 that fits.
#   STACK      Another set of releases, each in an environment of its own:
#              STACK=floors sets up .venv-floors, with the oldest releases
#              that the package works with (requirements/floors.txt), and
#              STACK=onedl sets up .venv-onedl, with the maintained
#              distributions of the hosts (requirements/onedl.txt).
#   MMCV       lite installs mmcv without its compiled ops, and those of
#              mmcv_ops/ in their place. compiled compiles mmcv, its CPU ops
#              alone: this takes 5 to 20 min and a C++ compiler. Default: what
#              the environment has, lite in a new one.
#   MAX_JOBS   Files of mmcv compiled at once. Default: the CPU cores, as far
#              as 2 GiB of free memory each allow.
#
# A compiled mmcv is kept in ${XDG_CACHE_HOME:-$HOME/.cache}/localsup_mm.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV FORCE_CUDA
export PIP_DISABLE_PIP_VERSION_CHECK=1

STACK=${STACK:-}
VENV=$PWD/.venv${STACK:+-$STACK}
MMCV=${MMCV:-$(cat "$VENV/mmcv-kind" 2>/dev/null || printf lite)}
LOGS=$VENV/log
STAMP=$VENV/localsup_mm.stamp
STEPS=4
if [ "$MMCV" = compiled ]; then STEPS=5; fi

# --- messages --------------------------------------------------------------
step=0
start_step() {
    step=$((step + 1))
    printf '[%d/%d] %s\n' "$step" "$STEPS" "$1"
}

say() { printf '      %s\n' "$*"; }

fail() {
    printf 'make env: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 1
}

# --- running a long command with progress lines ----------------------------
job=
stop_job() {
    if [ -n "$job" ]; then kill -TERM -- "-$job" 2>/dev/null || true; fi
}
interrupted() {
    printf '\nmake env: interrupted; run it again to go on from here.\n' >&2
    exit "$1"
}
trap stop_job EXIT
trap 'interrupted 129' HUP
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

show_pip() {
    grep -oE '^ *(Collecting|Downloading|Building|Installing) .{1,50}' "$1" \
        | tail -n 1 | sed 's|^ *||'
}

show_nothing() { printf 'still running'; }

# ninja numbers the files it compiles: [12/77]. After an interruption it
# counts only what is left.
show_compiled() {
    local count
    count=$(grep -oE '^ *\[[0-9]+/[0-9]+\]' "$1" | tail -n 1 | tr -d ' []')
    if [ -n "$count" ]; then
        printf '%s of %s files compiled' "${count%/*}" "${count#*/}"
    else
        printf 'preparing'
    fi
}

# run_logged LOG SHOW COMMAND...: SHOW prints the progress read from the log.
run_logged() {
    local log=$LOGS/$1.log show=$2 begin=$SECONDS next status=0
    shift 2
    mkdir -p "$LOGS"
    # A process group of its own, so that an interruption ends the compilers.
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    job=$!
    set +m
    next=$((begin + 10))
    while kill -0 "$job" 2>/dev/null; do
        sleep 0.3
        if [ "$SECONDS" -ge "$next" ]; then
            next=$((SECONDS + 10))
            say "$((SECONDS - begin)) s: $("$show" "$log" || true)"
        fi
    done
    wait "$job" || status=$?
    job=
    if [ "$status" -ne 0 ]; then
        printf '\n' >&2
        tail -n 25 "$log" | cut -c1-200 >&2
        fail "step $step failed (exit status $status): $1 ${2:-} ${3:-}" \
            "The end of its output is above, all of it in $log." \
            'If the network failed, run the same command again.'
    fi
}

pip_install() {
    local log=$1
    shift
    run_logged "$log" show_pip "$VENV/bin/python" -m pip install \
        --no-compile --progress-bar off "$@"
}

# --- the state of things ---------------------------------------------------
case $STACK in '' | floors | onedl) ;; *) fail \
    "STACK should be empty, floors or onedl, but got '$STACK'" ;; esac
case $MMCV in lite | compiled) ;; *) fail \
    "MMCV should be lite or compiled, but got '$MMCV'" ;; esac
if [ "$STACK" = onedl ] && [ "$MMCV" = compiled ]; then
    fail 'MMCV=compiled compiles mmcv, which STACK=onedl does not have' \
        'Leave one of them out.'
fi

HOSTS=mminstall
if [ "$STACK" = onedl ]; then HOSTS=onedl; fi

# read_requirements NAME...: the lines of requirements/NAME.txt. With
# STACK=floors those of floors.txt come first and replace the others of the
# same packages.
read_requirements() {
    local files=("${@/%/.txt}")
    if [ "$STACK" = floors ]; then files=(floors.txt "${files[@]}"); fi
    (cd requirements && awk -F '==' \
        'FILENAME == "floors.txt" { floors[$1]; print; next }
        !($1 in floors)' "${files[@]}")
}

# read_pin NAME: the version that the requirements name.
read_pin() {
    read_requirements build "$HOSTS" | sed -n "s/^$1==\([^ ;]*\).*/\1/p"
}

read_venv_version() {
    sed -n 's/^version *= *//p' "$VENV/pyvenv.cfg" 2>/dev/null || true
}

# All that the finished environment depends on.
describe_env() {
    printf '%s %s %s mmcv=%s\n' "$PWD" "$(read_venv_version)" \
        "$(cat requirements/*.txt setup.py pyproject.toml \
            mmcv_ops/pyproject.toml mmcv_ops/*/*.py \
            tools/setup_env.sh | cksum | tr ' ' '-')" "$MMCV"
}

newest=13
if [ "$STACK" = floors ]; then newest=12; fi  # as its torch

fits() {
    "$1" -c "import sys
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, $newest))" 2>/dev/null
}

find_python() {
    local python
    if [ -n "${PYTHON:-}" ]; then
        fits "$PYTHON" || fail \
            "PYTHON should be Python 3.10 to 3.$newest, but got '$PYTHON'" \
            "which is: $("$PYTHON" --version 2>&1 || true)"
        printf '%s' "$PYTHON"
        return
    fi
    for python in python3 python3.13 python3.12 python3.11 python3.10; do
        if fits "$python"; then
            printf '%s' "$python"
            return
        fi
    done
    fail "no Python 3.10 to 3.$newest found" \
        "python3 is: $(python3 --version 2>&1 || true)" \
        'Install one of them and run `make env PYTHON=/path/to/python3.11`.'
}

if [ -z "${PYTHON:-}" ] && [ -x "$VENV/bin/python" ] \
    && fits "$VENV/bin/python"; then
    python=$VENV/bin/python
else
    python=$(find_python)
fi
version=$("$python" -c 'import platform; print(platform.python_version())')
if [ "$version" = "$(read_venv_version)" ] \
    && [ "$(cat "$STAMP" 2>/dev/null)" = "$(describe_env)" ]; then
    exit 0
fi

# --- 1: refuse early what would fail late ----------------------------------
start_step 'Checking Python and disk (seconds)'
torch=$(read_pin torch)
mmcv=$(read_pin '.*mmcv')
tag=$("$python" -c 'import sys; print("py%d%d" % sys.version_info[:2])')
# The wheel's own name lacks the torch version, without which a wheel built
# for another torch would be taken: it fails with an undefined symbol.
wheels=${XDG_CACHE_HOME:-$HOME/.cache}/localsup_mm/wheels/$tag-torch$torch

find_wheel() {
    find "$wheels" -maxdepth 1 -name "mmcv-$mmcv-*_$(uname -m).whl" \
        2>/dev/null | head -n 1
}

say "Python $version, torch $torch, mmcv $mmcv ($MMCV)"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail \
    "$python lacks the venv module" \
    'Install it, on Debian and Ubuntu with `apt-get install python3-venv`.'
if [ "$MMCV" = compiled ] && [ -z "$(find_wheel)" ]; then
    include=$("$python" -c \
        'import sysconfig; print(sysconfig.get_path("include"))')
    printf '#include <Python.h>\n#include <optional>\nint main() {}\n' \
        | "${CXX:-c++}" -std=c++17 -I "$include" -x c++ -fsyntax-only - \
            >/dev/null 2>&1 || fail \
        "mmcv $mmcv is compiled here, but '${CXX:-c++}' cannot compile C++17" \
        "with the headers of Python $version (in $include)." \
        'Install a C++ compiler and the headers: on Debian and Ubuntu' \
        '`apt-get install g++ python3-dev`, on Fedora and RHEL' \
        '`dnf install gcc-c++ python3-devel`. Or leave MMCV=compiled out.'
fi
if [ ! -d "$VENV" ]; then
    free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
    [ "$free" -ge 8 ] || fail \
        "the environment takes 8 GiB, but $PWD has $free GiB free"
fi

# --- 2 ---------------------------------------------------------------------
start_step "Making $(basename "$VENV") (seconds)"
rm -f "$STAMP"
if [ "$version" != "$(read_venv_version)" ] \
    || ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --clear "$VENV"
fi
export PATH=$VENV/bin:$PATH
pip_install pip "pip==$(read_pin pip)"
# The distributions of mmcv own the same files: none goes in over another.
if [ "$(cat "$VENV/mmcv-kind" 2>/dev/null)" != "$MMCV" ]; then
    run_logged mmcv-uninstall show_pip python -m pip uninstall --yes \
        mmcv mmcv-lite mmcv_torch_ops
fi
printf '%s\n' "$MMCV" >"$VENV/mmcv-kind"

# --- 3 ---------------------------------------------------------------------
start_step "Installing torch $torch, mmseg, mmdet, mmpretrain and the test \
tools (1 to 6 min: a download of about 2.5 GB)"
if [ "$MMCV" = compiled ]; then
    read_requirements build compile "$HOSTS" optional tests | grep -v '^mmcv='
else
    read_requirements build "$HOSTS" optional tests \
        | sed 's/^mmcv=/mmcv-lite=/'
fi >"$LOGS/requirements.txt"
pip_install requirements -r "$LOGS/requirements.txt"
# opencv-python needs libGL, which a bare server lacks. mmengine requires it
# by name, so it stays, with the headless build's files in its place.
python -c 'import cv2.version as v, sys; sys.exit(not v.headless)' \
    2>/dev/null || pip_install opencv --force-reinstall --no-deps \
    "opencv-python-headless==$(read_pin opencv-python-headless)"

# --- 4, with MMCV=compiled -------------------------------------------------
count_jobs() {
    local cores memory
    cores=$(getconf _NPROCESSORS_ONLN)
    memory=$(awk '/^MemAvailable/ {print int($2 / 2097152)}' \
        /proc/meminfo 2>/dev/null || true)
    if [ -n "$memory" ] && [ "$memory" -lt "$cores" ]; then
        cores=$((memory > 1 ? memory : 1))
    fi
    printf '%d' "$cores"
}

# The sources stay until the wheel is finished: after an interruption ninja
# goes on with the files that are left.
fetch_mmcv() {
    rm -rf "$1"
    mkdir -p "$1"
    run_logged mmcv-download show_pip "$VENV/bin/python" -m pip \
        download --no-cache-dir --no-deps --no-build-isolation \
        --no-binary mmcv -d "$1" "mmcv==$mmcv"
    tar -xzf "$1"/mmcv-*.tar.gz -C "$1" --strip-components 1
    touch "$1/complete"
}

build_mmcv() {
    local source=$VENV/mmcv-$mmcv out=$VENV/mmcv-wheel wheel
    export MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(count_jobs)}
    # Without debug information it takes a fifth less time.
    export CFLAGS="${CFLAGS:-} -g0" CXXFLAGS="${CXXFLAGS:-} -g0"
    # mmcv would compile CUDA ops as soon as torch sees a GPU.
    export CUDA_VISIBLE_DEVICES=
    [ -f "$source/complete" ] || fetch_mmcv "$source"
    rm -rf "$out"
    run_logged mmcv show_compiled "$VENV/bin/python" -m pip wheel -v \
        --no-cache-dir --no-deps --no-build-isolation -w "$out" "$source"
    # Copied, then renamed: a killed copy leaves no half wheel behind.
    mkdir -p "$wheels"
    wheel=$(find "$out" -name 'mmcv-*.whl')
    cp "$wheel" "$wheels/.$$.part"
    mv "$wheels/.$$.part" "$wheels/$(basename "$wheel")"
    rm -rf "$source" "$out"
}

install_compiled_mmcv() {
    local wheel
    if [ -n "$(find_wheel)" ]; then
        start_step "Compiling mmcv $mmcv: done before, kept in $wheels"
    else
        start_step "Compiling mmcv $mmcv (5 to 16 min on 2 cores, only once)"
        build_mmcv
        say "kept in $wheels"
    fi
    wheel=$(find_wheel)
    # An installed mmcv may be one that was compiled for another torch.
    if [ "$(cat "$VENV/mmcv-installed" 2>/dev/null)" != "$wheel" ] \
        || ! python -c 'import mmcv.ops' 2>/dev/null; then
        pip_install mmcv-install --force-reinstall --no-deps "$wheel"
        printf '%s\n' "$wheel" >"$VENV/mmcv-installed"
    fi
}

if [ "$MMCV" = compiled ]; then install_compiled_mmcv; fi

# --- the last --------------------------------------------------------------
start_step 'Installing localsup_mm, editable, and checking the imports (20 s)'
own=(-e .)
if [ "$MMCV" = lite ]; then own+=(./mmcv_ops); fi
# without what it requires: a second OpenCV, and a decoder of videos
own+=(-r requirements/video.txt)
rm -rf mmcv_ops/build  # or modules that are gone come back from there
pip_install localsup_mm --no-deps --no-build-isolation "${own[@]}"
# where Python is told to write no bytecode, each start would compile the hosts
if [ -n "${PYTHONDONTWRITEBYTECODE:-}" ]; then
    run_logged bytecode show_nothing "$VENV/bin/python" -c "
import compileall
compileall.compile_dir('$VENV/lib', quiet=2, workers=0)"
fi
run_logged check show_nothing python -W ignore -c '
import cv2, torch, torchvision, mmcv.ops, mmseg, mmdet, mmpretrain
import cityscapesscripts
boxes = torch.tensor([[0., 0., 4., 4.], [0., 0., 4., 4.1]])
_, kept = mmcv.ops.nms(boxes, torch.tensor([1., .5]), 0.5)
assert kept.tolist() == [0], kept'

describe_env >"$STAMP"
printf 'make env: ready in %d min %d s; . %s/bin/activate to use it\n' \
    $((SECONDS / 60)) $((SECONDS % 60)) "$(basename "$VENV")"
