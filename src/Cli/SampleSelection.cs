using System.Globalization;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Cli;

/// <summary>What <c>sample</c> draws: every class at every strength, some images each, class by class and strength by strength.</summary>
internal sealed class SampleSelection
{
    // Of a thousand classes, all are too many for a first look.
    private const int MostClasses = 40, SpreadClasses = 8;

    private SampleSelection(IReadOnlyList<(string Name, int Label)> classes, IReadOnlyList<GuidanceStrength> strengths, IReadOnlyList<string> heads, int count, int[]? targets = null, int first = 0)
    {
        (Classes, Strengths, StrengthNames, Count, First) = (classes, strengths, heads, count, first);
        var requests = new List<SampleRequest>();
        for (int c = 0; c < classes.Count; c++)
            foreach (var strength in strengths)
                for (int i = 0; i < count; i++)
                    requests.Add(new SampleRequest(classes[c].Label, (GuidanceScale)strength, NoiseIndex(classes[c].Label, first + i)) { Target = targets is null ? null : targets[Math.Min(c, targets.Length - 1)] });
        Requests = requests;
    }

    /// <summary>Names and labels; one of label -1 for an unconditional model.</summary>
    public IReadOnlyList<(string Name, int Label)> Classes { get; }

    /// <summary>Whether images are of a class each, of the model or of what guides it.</summary>
    public bool HasClasses => Classes[0].Label >= 0 || Requests[0].Target is not null;

    /// <summary>Guidance.</summary>
    public IReadOnlyList<GuidanceStrength> Strengths { get; }

    /// <summary>The strengths in the user's convention, "w2" or "s3".</summary>
    public IReadOnlyList<string> StrengthNames { get; }

    /// <summary>Images per class and strength.</summary>
    public int Count { get; }

    /// <summary>Number of the first image of each.</summary>
    public int First { get; }

    /// <summary>Whether images lie between others.</summary>
    public bool IsInterpolated { get; private set; }

    /// <summary>All of it.</summary>
    public IReadOnlyList<SampleRequest> Requests { get; private set; }

    /// <summary>Interprets the options for a model.</summary>
    /// <exception cref="UsageException">A class that the model has not or was not trained for, or guidance that it was not trained for.</exception>
    public static SampleSelection Create(DiffusionModel model, string? classes, int count, double[]? strengths, double[]? scales, bool grid, bool readsStrength = true, bool readsNull = true, int[]? targets = null, int first = 0)
    {
        string? unguided = readsNull ? model.Settings.WhyUnguided : null;
        bool conditional = model.Settings.TrainedClasses.Any();
        if (unguided is not null && (strengths?.Any(w => w != 0) == true || scales?.Any(s => s != 1) == true))
            throw new UsageException($"{unguided} --w and --scale cannot guide it: leave them out, or give --w 0 (which is --scale 1).");
        if (!readsStrength && (strengths ?? scales) is not null) throw new UsageException("--w and --scale are for cfg, icg and autoguidance, and there is none; add one with --guider, or leave them out.");
        if (!conditional && classes is not null) throw new UsageException($"{model.Settings.WhyUnguided} Leave out --classes.");
        double[] defaultStrengths = unguided is not null || !readsStrength ? [0] : model.Settings.GuidanceScale is { } s ? [s - 1] : grid ? [0, 0.5, 1, 2, 4] : [2];
        RequireDifferent("--w", strengths);
        RequireDifferent("--scale", scales);
        var chosen = conditional ? ChooseClasses(classes, model.Settings) : targets is null ? [("sample", -1)] : [.. targets.Select(t => ($"{t}", -1))];
        long images = (long)chosen.Count * count * (scales ?? strengths ?? defaultStrengths).Length;
        if (images > Array.MaxLength / 64) throw new UsageException($"{images} images are too many for one run; use a smaller --count.");
        if (scales is not null)
            return new SampleSelection(chosen, [.. scales.Select(x => (GuidanceStrength)new GuidanceScale(x))], [.. scales.Select(x => Name("s", x))], count, targets, first);
        double[] w = strengths ?? defaultStrengths;
        return new SampleSelection(chosen, [.. w.Select(x => new GuidanceStrength(x))], [.. w.Select(x => Name("w", x))], count, targets, first);
    }

    /// <summary>The same drawn from other starts, so that the images of a row lie between two.</summary>
    public SampleSelection From(IReadOnlyList<SampleRequest> requests)
    {
        var selection = (SampleSelection)MemberwiseClone();
        (selection.Requests, selection.IsInterpolated) = (requests, true);
        return selection;
    }

    /// <summary>One image of each of the first classes at strengths w, as far as the model was trained for them.</summary>
    public static SampleSelection Preview(DiffusionModel model, int mostClasses, double[] strengths)
    {
        var settings = model.Settings;
        (string, int)[] classes = [.. settings.TrainedClasses.Take(mostClasses).Select(label => (settings.ClassNames[label], label))];
        double[] w = settings.WhyUnguided is null ? strengths : [0];
        return new SampleSelection(classes.Length > 0 ? classes : [("sample", -1)], [.. w.Select(x => new GuidanceStrength(x))], [.. w.Select(x => Name("w", x))], 1);
    }

    // Strengths share their noise, so that a row of the grid shows what guidance does; and a class has the same images whatever other
    // classes are drawn, and however many.
    private static int NoiseIndex(int label, int i) => unchecked((Math.Max(label, 0) << 20) ^ i);

    private static string Name(string prefix, double value) => prefix + value.ToString(CultureInfo.InvariantCulture);

    /// <summary>The classes that a text names, or those to show where it is null.</summary>
    /// <exception cref="UsageException">There is no such class, or it was never trained.</exception>
    public static List<(string Name, int Label)> ChooseClasses(string? text, DiffusionSettings settings)
    {
        var names = settings.ClassNames;
        int[] trained = [.. settings.TrainedClasses];
        if (text is null && trained.Length > MostClasses) trained = [.. Enumerable.Range(0, SpreadClasses).Select(i => trained[i * trained.Length / SpreadClasses])];
        if (text is null or "all") return [.. trained.Select(label => (names[label], label))];
        var chosen = ParseClasses(text, names);
        foreach (var (name, label) in chosen)
            if (!settings.IsTrained(label))
                throw new UsageException($"--classes: the class '{name}' was never trained: the training had no image of it. This model was trained for {Listing([.. trained.Select(t => names[t])])}.");
        return chosen;
    }

    private static void RequireDifferent(string option, double[]? values)
    {
        if (values?.GroupBy(v => v).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new UsageException(FormattableString.Invariant($"{option} names {twice.Key} twice: its images would be the same; for more of them use --count."));
    }

    private static List<(string Name, int Label)> ParseClasses(string text, IReadOnlyList<string> names)
    {
        List<(string Name, int Label)> chosen = [.. text.Split(',').Select(part =>
        {
            string wanted = part.Trim();
            int label = names.ToList().IndexOf(wanted);
            if (label < 0 && int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < names.Count) label = number;
            return label >= 0
                ? (names[label], label)
                : throw new UsageException($"--classes: there is no class '{wanted}'; this model has {Listing(names)}.");
        })];
        if (chosen.GroupBy(c => c.Label).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new UsageException($"--classes names the class '{names[twice.Key]}' twice; for more images of it use --count.");
        return chosen;
    }

    private static string Listing(IReadOnlyList<string> names)
    {
        const int most = 40;
        string list = string.Join(", ", names.Take(most).Select(n => n.Contains(',') ? $"'{n}'" : n));
        return names.Count > most ? $"{list}, ... ({names.Count} in all, by number 0 to {names.Count - 1})" : list;
    }
}
