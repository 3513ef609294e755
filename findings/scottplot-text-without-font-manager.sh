#!/usr/bin/env bash
# ScottPlot 5.1.59 with SkiaSharp.NativeAssets.Linux.NoDependencies 4.155.0 (NuGet, pinned) draws charts without a word of text, and says nothing.
#
# That build of Skia has no font manager, whatever fonts the machine has: its list of families is one empty name, so that a program that takes "the first family, if there is one"
# has a font without letters. ScottPlot asks the font manager alone; title, axis labels and ticks of a chart are then missing from the SVG. A font file that the program
# names itself (Fonts.AddFontFile) brings all of it back. The build is chosen by whoever references it: a library for pictures, say, beside one for charts.
# Needs Linux, the .NET SDK, a package source, and DejaVu Sans (Debian: fonts-dejavu-core). Prints what it sees; exit code 1 if that is something else, 2 if it could not be tried.
set -euo pipefail

font=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
[ -e "$font" ] || { echo "Could not be tried: no $font"; exit 2; }
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
    <PackageReference Include="ScottPlot" Version="[5.1.59]" />
    <PackageReference Include="SkiaSharp" Version="[4.155.0]" />
    <PackageReference Include="SkiaSharp.HarfBuzz" Version="[4.155.0]" />
    <PackageReference Include="SkiaSharp.NativeAssets.Linux.NoDependencies" Version="[4.155.0]" />
  </ItemGroup>
</Project>
END
cat > Program.cs <<'END'
using System.Text.RegularExpressions;
using SkiaSharp;

Console.WriteLine($"families: [{string.Join("|", SKFontManager.Default.FontFamilies)}]");
Console.WriteLine($"chart: {Texts(null)} texts");
using var face = SKTypeface.FromFile(args[0]);
ScottPlot.Fonts.AddFontFile(face.FamilyName, args[0]);
Console.WriteLine($"chart with a font by its file: {(Texts(face.FamilyName) > 10 ? "more than 10" : "few")} texts");

static int Texts(string? font)
{
    var plot = new ScottPlot.Plot();
    if (font is not null) plot.Font.Set(font);
    plot.Add.Scatter(new double[] { 1, 2, 3 }, new double[] { 3, 1, 2 });
    plot.Title("loss");
    plot.XLabel("step");
    return Regex.Matches(plot.GetSvgXml(400, 300), "<text").Count;
}
END

# Build files of a parent folder are not this project's.
for name in Directory.Build.props Directory.Build.targets Directory.Packages.props; do echo '<Project />' > "$name"; done
dotnet build -c Release --nologo -v quiet > build.log 2>&1 || { cat build.log; echo 'Could not build: are the packages served?'; exit 2; }
seen=$(dotnet bin/Release/net10.0/finding.dll "$font")
echo "ScottPlot 5.1.59, SkiaSharp.NativeAssets.Linux.NoDependencies 4.155.0:"
echo "$seen"
expected=$'families: []\nchart: 0 texts\nchart with a font by its file: more than 10 texts'
if [ "$seen" != "$expected" ]; then
  echo "That is not what was found on 2026-11-28:"
  echo "$expected"
  exit 1
fi
echo "As found: the chart has no text until a font file is named."
