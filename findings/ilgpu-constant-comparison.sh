#!/usr/bin/env bash
# ILGPU 1.5.3 (NuGet, pinned) turns an ordered comparison of floats into an unordered one when its constant is on the left.
#
# `0f > x` and `x < 0f` say the same in C#: false for NaN. ILGPU moves the constant of the first to the right, as it has to (CompareValue.SwapOperands), but also toggles the flag
# for unordered comparisons, which only an inversion (not an exchange of the sides) calls for. Both kernels below choose 1 or 2; compiled to PTX, without a GPU, they have
#
#   0f > x    setp.ltu.f32    true for NaN
#   x < 0f    setp.lt.f32     false for NaN
#
# It holds for constants that ILGPU sees only after inlining, too. Equality is not concerned. Not seen on ILGPU's CPU accelerator, which runs the IL as it is.
# Needs the .NET SDK and a package source that serves ILGPU. Prints what it sees; exit code 1 if that is something else, 2 if it could not be tried.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > finding.csproj <<'END'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="ILGPU" Version="[1.5.3]" />
  </ItemGroup>
</Project>
END
cat > Program.cs <<'END'
using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

using var context = Context.Create(builder => builder.Optimize(OptimizationLevel.O2));
using var backend = new PTXBackend(context, CudaArchitecture.SM_80, CudaInstructionSet.ISA_78, null!);
Console.WriteLine($"0f > x: {Comparison(nameof(Kernels.ConstantLeft))}");
Console.WriteLine($"x < 0f: {Comparison(nameof(Kernels.ConstantRight))}");

string Comparison(string kernel)
{
    var entry = EntryPointDescription.FromExplicitlyGroupedKernel(typeof(Kernels).GetMethod(kernel)!);
    var compiled = (PTXCompiledKernel)backend.Compile(entry, new KernelSpecialization());
    return Regex.Match(compiled.PTXAssembly, @"setp\.\w+\.f32").Value;
}

public static class Kernels
{
    public static void ConstantLeft(ArrayView<float> values) => values[1] = 0f > values[0] ? 1f : 2f;

    public static void ConstantRight(ArrayView<float> values) => values[1] = values[0] < 0f ? 1f : 2f;
}
END

# Build files of a parent folder are not this project's.
for name in Directory.Build.props Directory.Build.targets Directory.Packages.props; do echo '<Project />' > "$name"; done
dotnet build -c Release --nologo -v quiet > build.log 2>&1 || { cat build.log; echo 'Could not build: is ILGPU 1.5.3 served?'; exit 2; }
seen=$(dotnet bin/Release/net10.0/finding.dll)
echo "ILGPU 1.5.3:"
echo "$seen"
expected=$'0f > x: setp.ltu.f32\nx < 0f: setp.lt.f32'
if [ "$seen" != "$expected" ]; then
  echo "That is not what was found on 2026-11-28:"
  echo "$expected"
  exit 1
fi
echo "As found: NaN counts as below 0 in the first, and not in the second."
