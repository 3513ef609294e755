using System.CommandLine;
using NativeDiffusion.Cli.Guiding;
using NativeDiffusion.Onnx;

namespace NativeDiffusion.Cli;

/// <summary>How the network of an ONNX file sees pictures, for the commands that look at some.</summary>
internal sealed class OnnxInputOptions
{
    private readonly Option<string?> _normalise = CliOptions.Text(
        "--normalize", "MEAN:STD", "Of an ONNX file: what pictures of 0 to 1 are normalised by, as 0.5:0.25 or lists by channel; or imagenet [default: pictures of -1 to 1].");

    private readonly Option<int?> _size = CliOptions.OptionalInteger("--input-size", "N", "Of an ONNX file that leaves it free: height and width.", 1, 8192);
    private readonly Option<bool> _bgr = new("--bgr") { Description = "Of an ONNX file: the network takes blue first." };
    private readonly Option<string?> _output = CliOptions.Text("--onnx-output", "NAME", "Of an ONNX file: the value of the graph that is used [default: its first output].");
    private readonly Option<string?> _names = CliOptions.Text("--class-names", "FILE", "Of an ONNX file: a text file with the name of a class in each line [default: those in the file, else numbers].");

    private Option[] All => [_normalise, _size, _bgr, _output, _names];

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in All) command.Add(option);
    }

    /// <summary>What they say.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="file">The file of the network.</param>
    /// <exception cref="UsageException">One was given for another kind of file.</exception>
    public OnnxOptions From(ParseResult parsed, string file)
    {
        if (!ClassifierFile.IsOnnx(file) && All.FirstOrDefault(parsed.IsGiven) is { } wrong)
            throw new UsageException($"{wrong.Name} says how an ONNX file sees pictures, and '{file}' is none; leave it out.");
        return new()
        {
            Normalisation = parsed.GetValue(_normalise) is { } text ? ResNetOptions.Normalisation(text, null) : [],
            InputSize = parsed.GetValue(_size),
            Bgr = parsed.GetValue(_bgr),
            Output = parsed.GetValue(_output),
            ClassNames = parsed.GetValue(_names) is { } names ? [.. File.ReadAllLines(names).Where(line => line.Length > 0)] : [],
        };
    }
}
