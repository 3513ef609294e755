using System.CommandLine;
using System.Globalization;

namespace NativeDiffusion.Cli;

/// <summary>Makes options whose errors say what is possible, and the options that several commands share.</summary>
internal static class CliOptions
{
    /// <summary><c>--json</c>.</summary>
    public static Option<bool> Json() => new("--json") { Description = "Write the result as JSON on standard output." };

    /// <summary><c>--seed</c>.</summary>
    public static Option<ulong> Seed(string what) => Parsed(
        "--seed", "N", $"Seed of {what}: the same seed gives the same result.", 0UL,
        text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value)
            ? value
            : throw new FormatException($"takes a whole number from 0 to {ulong.MaxValue}"));

    /// <summary>A seed that may be left out.</summary>
    public static Option<ulong?> OptionalSeed(string name, string description) => Parsed<ulong?>(
        name, "N", description, null,
        text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value)
            ? value
            : throw new FormatException($"takes a whole number from 0 to {ulong.MaxValue}"));

    /// <summary>A whole number with a default.</summary>
    public static Option<int> Integer(string name, string placeholder, string description, int preset, int least, int most = int.MaxValue) =>
        Parsed(name, placeholder, description, preset, text => ParseInteger(text, least, most));

    /// <summary>A whole number that may be left out.</summary>
    public static Option<int?> OptionalInteger(string name, string placeholder, string description, int least, int most = int.MaxValue) =>
        Parsed<int?>(name, placeholder, description, null, text => ParseInteger(text, least, most));

    /// <summary>The size that pictures are brought to.</summary>
    public static Option<int?> PictureSize(string which) => OptionalInteger(
        "--size", "N", $"{which} are brought to N x N: the shorter side resized (antialiased bicubic), of the longer the middle kept. [default: as they are, all of one size]", 1, 2048);

    /// <summary>A number that may be left out.</summary>
    public static Option<double?> OptionalNumber(string name, string placeholder, string description, double least, double most) =>
        Parsed<double?>(name, placeholder, description, null, text => ParseNumber(text, least, most));

    /// <summary>A choice among names; the first is the default.</summary>
    public static Option<T> Choice<T>(string name, string description, IReadOnlyList<(string Name, T Value)> choices)
        where T : struct =>
        // The default is no part of the option, whose help would show it under the name that the library has for it.
        choices[0].Value.Equals(default(T))
            ? Completed(
                Parsed(name, "NAME", $"{description} One of: {Listing(choices)}. [default: {choices[0].Name}]", default(T), text => ParseChoice(text, choices), showDefault: false),
                choices)
            : throw new ArgumentException($"The first choice of {name} must be the default value of {typeof(T).Name}.");

    /// <summary>A choice among names that may be left out.</summary>
    public static Option<T?> OptionalChoice<T>(string name, string description, IReadOnlyList<(string Name, T Value)> choices, string preset)
        where T : struct =>
        Completed(Parsed<T?>(name, "NAME", $"{description} One of: {Listing(choices)}. [default: {preset}]", null, text => ParseChoice(text, choices)), choices);

    /// <summary>The word that an option takes for a value: results say it in the same words.</summary>
    public static string NameOf<T>(this IEnumerable<(string Name, T Value)> choices, T value) => choices.First(c => EqualityComparer<T>.Default.Equals(c.Value, value)).Name;

    /// <summary>A text, a path for example, that may be left out.</summary>
    public static Option<string?> Text(string name, string placeholder, string description) =>
        Parsed<string?>(name, placeholder, description, null, text => text.Length > 0 ? text : throw new FormatException("takes a name"));

    /// <summary>Numbers separated by commas; null when left out.</summary>
    public static Option<double[]?> Numbers(string name, string placeholder, string description, double least, double most) =>
        Parsed<double[]?>(name, placeholder, description, null, text => [.. text.Split(',').Select(part => ParseNumber(part, least, most))]);

    /// <summary>Two numbers with a colon between them; null when left out.</summary>
    public static Option<(double First, double Last)?> Range(string name, string placeholder, string description) =>
        Parsed<(double First, double Last)?>(name, placeholder, description, null, text => ParseRange(text, "two numbers", end => ParseNumber(end, 0, 1e9)));

    /// <summary>Two whole numbers with a colon between them; null when left out.</summary>
    public static Option<(int First, int Last)?> WholeRange(string name, string placeholder, string description) =>
        Parsed<(int First, int Last)?>(name, placeholder, description, null, text => ParseRange(text, "two whole numbers", end => ParseInteger(end, 0, 1_000_000_000)));

    /// <summary>Whether the user wrote the option.</summary>
    public static bool IsGiven(this ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    private static Option<T> Parsed<T>(string name, string placeholder, string description, T preset, Func<string, T> parse, bool showDefault = true)
    {
        var option = new Option<T>(name) { Description = description, HelpName = placeholder, Arity = ArgumentArity.ExactlyOne };
        option.CustomParser = result =>
        {
            string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
            try
            {
                return parse(text);
            }
            catch (FormatException e)
            {
                result.AddError($"{name} {e.Message}; got '{text}'.");
                return preset;
            }
        };
        if (preset is not null && showDefault) option.DefaultValueFactory = _ => preset;
        return option;
    }

    private static Option<T> Completed<T, TChoice>(Option<T> option, IReadOnlyList<(string Name, TChoice Value)> choices)
    {
        option.CompletionSources.Add([.. choices.Select(c => c.Name)]);
        return option;
    }

    private static (T First, T Last) ParseRange<T>(string text, string what, Func<string, T> parse)
        where T : IComparable<T>
    {
        string[] ends = text.Split(':');
        if (ends.Length != 2) throw new FormatException($"takes {what} with a colon between them");
        var range = (First: parse(ends[0]), Last: parse(ends[1]));
        return range.First.CompareTo(range.Last) <= 0 ? range : throw new FormatException("takes the smaller number first");
    }

    private static int ParseInteger(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most
            ? value
            : throw new FormatException(most == int.MaxValue ? $"takes a whole number of at least {least}" : $"takes a whole number from {least} to {most}");

    private static double ParseNumber(string text, double least, double most) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value >= least && value <= most
            ? value
            : throw new FormatException(FormattableString.Invariant($"takes numbers from {least} to {most}"));

    private static T ParseChoice<T>(string text, IReadOnlyList<(string Name, T Value)> choices)
    {
        foreach (var (name, value) in choices)
            if (name == text)
                return value;
        throw new FormatException($"takes one of {Listing(choices)}{(NearestWord.Of(text, [.. choices.Select(c => c.Name)]) is [var near, ..] ? $" (did you mean {near}?)" : "")}");
    }

    private static string Listing<T>(IReadOnlyList<(string Name, T Value)> choices) => string.Join(", ", choices.Select(c => c.Name));
}
