#!/usr/bin/env bash
# pack.sh OUT [REFERENCE_FOLDER]: packs what run.sh needs on a machine with a GPU, without .NET and without network: OUT/kit.tar.xz and OUT/run.sh, at most 60 MB.
# The tool, the benchmark, the tests of the GPU kernels and the reference cases (of the folder; by default those of the repository) share one self-contained runtime.
# Packs the last commit, from a clone; LEVEL is that of xz (6).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
[ $# -ge 1 ] || { sed -n '2,4s/^# //p' "$0"; exit 2; }
mkdir -p "$1"; out=$(cd "$1" && pwd); cases=${2:-$root/tests/Reference/Data}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
git clone -q "$root" "$work/main"
app=$work/app; kit=$work/main/bench/gpu
publish() { dotnet publish "$1" -c Release -r linux-x64 --self-contained true --nologo -v q -p:UseIlgpu=true -p:RunAnalyzers=false -o "${2:-$app}"; }
for project in bench/Bench.csproj tests/Gpu.Tests/Gpu.Tests.csproj src/Cli/Cli.csproj; do publish "$work/main/$project"; done
publish "$kit/suite/Suite.csproj" "$work/suite"
cp "$work"/suite/kit-suite "$work"/suite/kit-suite.{dll,runtimeconfig.json} "$app/"
# The cases of networks and trajectories, on the device instead of the CPU.
mkdir "$work/copies"
for name in ReferenceCase ReferenceKinds Denoiser {Autoencoder,Clip,Dit,Edm,NoisyClassifier,Perturbed,ResNet,Trajectory,UNet}ReferenceTests; do
    sed -E 's/new CpuKernels\(2\)/KitDevice.Open()/; s/\.Span\.ToArray\(\)/.ReadBack()/g; s/\.View\.Span\[/.View.ReadBack()[/g' "$work/main/tests/Reference/$name.cs" > "$work/copies/$name.cs"
done
dotnet build "$kit/reference/Reference.csproj" -c Release --nologo -v q -p:UseIlgpu=true -p:RunAnalyzers=false -p:Copies="$work/copies" -o "$work/reference"
cp "$work/reference/NativeDiffusion.Tests.dll" "$app/"
mkdir -p "$app/Reference/Data"; cp "$cases"/*.safetensors "$app/Reference/Data/"
cp "$here"/{peer.py,summarise.py} "$app/"
git -C "$root" rev-parse HEAD > "$app/COMMIT"
# What neither the tool nor these tests load: test hosts, debuggers, disassemblers, languages, training images. The test adapter stays: the test assembly refers to it.
cd "$app"
rm -rf cs de es fr it ja ko pl pt-BR ru tr zh-Hans zh-Hant CodeCoverage alpine ubuntu macos x64 x86 amd64 arm64 runtimes BuildHost* data PtxCpu
rm -rf ./*.xml ./*.pdb createdump libmscordaccore.so libmscordbi.so libcapstone.so Gee.External.Capstone.dll Iced.dll Microsoft.VisualBasic*.dll Dia2Lib.dll TraceReloggerLib.dll \
    Microsoft.Diagnostics.Tracing.TraceEvent.dll OSExtensions.dll testhost* Microsoft.VisualStudio.CodeCoverage* Microsoft.VisualStudio.TraceDataCollector* Microsoft.CodeCoverage*
tar --owner=0 --group=0 -C "$app" -cf - . | xz -"${LEVEL:-6}" -T2 > "$out/kit.tar.xz"
cp "$here/run.sh" "$out/"
size=$(du -sm "$out/kit.tar.xz" | cut -f1)
printf 'unpacked %s MiB, %s files; to carry: %s MiB\n' "$(du -sm "$app" | cut -f1)" "$(find "$app" -type f | wc -l)" "$size"
[ "$size" -le 60 ] || { echo "That is more than the 60 MiB that the kit may have." >&2; exit 1; }
