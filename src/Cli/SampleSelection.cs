using System.Globalization;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Cli;

/// <summary>What <c>sample</c> draws: every class at every strength, some images each, class by class and strength by strength.</summary>
internal sealed class SampleSelection
{
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
    public static SampleSelection Create(
        DiffusionModel model, string classes, int count, double[]? strengths, double[]? scales, double[] defaultStrengths)
    {
        bool conditional = model.Settings.ClassNames.Length > 0;
        if (!conditional && (strengths is not null || scales is not null || classes != "all"))
            throw new UsageException("This model was trained without classes: --classes, --w and --scale do not apply to it.");
        var chosen = conditional ? ParseClasses(classes, model.Settings.ClassNames) : [("sample", -1)];
        long images = (long)chosen.Count * count * (scales ?? strengths ?? defaultStrengths).Length;
        if (images > Array.MaxLength / 64) throw new UsageException($"{images} images are too many for one run; use a smaller --count.");
        if (scales is not null)
            return new SampleSelection(chosen, [.. scales.Select(s => (GuidanceStrength)new GuidanceScale(s))], [.. scales.Select(s => Name("s", s))], count);
        double[] w = conditional ? strengths ?? defaultStrengths : [0];
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
