using System.Globalization;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Cli;

/// <summary>What <c>sample</c> draws: every class at every strength, some images each, class by class and strength by strength.</summary>
internal sealed class SampleSelection
{
    // Of a thousand classes, all are too many for a first look.
    private const int MostClasses = 40, SpreadClasses = 8;

    private SampleSelection(IReadOnlyList<(string Name, int Label)> classes, IReadOnlyList<GuidanceStrength> strengths, IReadOnlyList<string> heads, int count)
    {
        (Classes, Strengths, StrengthNames, Count) = (classes, strengths, heads, count);
        var requests = new List<SampleRequest>();
        foreach (var (_, label) in classes)
            foreach (var strength in strengths)
                for (int i = 0; i < count; i++)
                    requests.Add(new SampleRequest(label, (GuidanceScale)strength, NoiseIndex(label, i)));
        Requests = requests;
    }

    /// <summary>Names and labels; one of label -1 for an unconditional model.</summary>
    public IReadOnlyList<(string Name, int Label)> Classes { get; }

    /// <summary>Guidance.</summary>
    public IReadOnlyList<GuidanceStrength> Strengths { get; }

    /// <summary>The strengths in the user's convention, "w2" or "s3".</summary>
    public IReadOnlyList<string> StrengthNames { get; }

    /// <summary>Images per class and strength.</summary>
    public int Count { get; }

    /// <summary>All of it.</summary>
    public IReadOnlyList<SampleRequest> Requests { get; }

    /// <summary>Interprets the options for a model.</summary>
    /// <exception cref="UsageException">A class that the model has not, or guidance for a model without classes.</exception>
    public static SampleSelection Create(DiffusionModel model, string? classes, int count, double[]? strengths, double[]? scales, bool grid)
    {
        bool conditional = model.IsConditional, guided = strengths is not null || scales is not null;
        if (!conditional && (guided || classes is not null))
            throw new UsageException("This model was trained without classes: --classes, --w and --scale do not apply to it.");
        if (guided && model.NullLabel < 0)
            throw new UsageException("This model was trained without a null class: it follows its classes, but --w and --scale cannot guide it.");
        double[] defaultStrengths = model.NullLabel < 0 ? [0] : model.Settings.GuidanceScale is { } s ? [s - 1] : grid ? [0, 0.5, 1, 2, 4] : [2];
        var names = model.Settings.ClassNames;
        var chosen = !conditional ? [("sample", -1)] : classes is null && names.Length > MostClasses ? Spread(names) : ParseClasses(classes ?? "all", names);
        long images = (long)chosen.Count * count * (scales ?? strengths ?? defaultStrengths).Length;
        if (images > Array.MaxLength / 64) throw new UsageException($"{images} images are too many for one run; use a smaller --count.");
        if (scales is not null)
            return new SampleSelection(chosen, [.. scales.Select(x => (GuidanceStrength)new GuidanceScale(x))], [.. scales.Select(x => Name("s", x))], count);
        double[] w = strengths ?? defaultStrengths;
        return new SampleSelection(chosen, [.. w.Select(x => new GuidanceStrength(x))], [.. w.Select(x => Name("w", x))], count);
    }

    /// <summary>Some classes by number, at strengths w.</summary>
    public static SampleSelection Of(DiffusionModel model, IEnumerable<int> labels, int count, double[] strengths) =>
        new([.. labels.Select(label => (model.Settings.ClassNames[label], label))], [.. strengths.Select(w => new GuidanceStrength(w))],
            [.. strengths.Select(w => Name("w", w))], count);

    // Strengths share their noise, so that a row of the grid shows what guidance does; and a class has the same images whatever other
    // classes are drawn, and however many.
    private static int NoiseIndex(int label, int i) => unchecked((Math.Max(label, 0) << 20) ^ i);

    private static string Name(string prefix, double value) => prefix + value.ToString(CultureInfo.InvariantCulture);

    private static List<(string Name, int Label)> Spread(IReadOnlyList<string> names) =>
        [.. Enumerable.Range(0, SpreadClasses).Select(i => i * names.Count / SpreadClasses).Select(label => (names[label], label))];

    private static List<(string Name, int Label)> ParseClasses(string text, IReadOnlyList<string> names)
    {
        if (text == "all") return [.. names.Select((name, label) => (name, label))];
        return [.. text.Split(',').Select(part =>
        {
            string wanted = part.Trim();
            int label = names.ToList().IndexOf(wanted);
            if (label < 0 && int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < names.Count) label = number;
            return label >= 0
                ? (names[label], label)
                : throw new UsageException($"--classes: there is no class '{wanted}'; this model has {Listing(names)}.");
        })];
    }

    private static string Listing(IReadOnlyList<string> names)
    {
        const int most = 40;
        string list = string.Join(", ", names.Take(most).Select(n => n.Contains(',') ? $"'{n}'" : n));
        return names.Count > most ? $"{list}, ... ({names.Count} in all, by number 0 to {names.Count - 1})" : list;
    }
}
