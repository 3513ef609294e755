using System.CommandLine;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;

namespace NativeDiffusion.Cli;

/// <summary>The options of <c>sample</c> that lead from one image to another.</summary>
internal sealed class BetweenOptions
{
    private readonly Option<ulong?> _toSeed = CliOptions.OptionalSeed(
        "--to-seed", "Draw the way from the noise of --seed to that of this one: --count N images of each class, the ends included.");

    private readonly Option<string?> _toClass = CliOptions.Text(
        "--to-class", "NAME", "Draw the way from each class to this one, from one noise (or with --to-seed between two): --count N images, the ends included.");

    /// <summary>All of them.</summary>
    public IReadOnlyList<Option> All => [_toSeed, _toClass];

    /// <summary>The selection and the guidance with the ways; as they were where none was asked for.</summary>
    /// <exception cref="UsageException">The model or the other options do not allow it.</exception>
    public (SampleSelection Selection, Guidance Guidance) Apply(ParseResult parsed, DiffusionModel model, SampleSelection selection, Guidance guidance, ulong seed)
    {
        ulong? toSeed = parsed.GetValue(_toSeed);
        string? toClass = parsed.GetValue(_toClass);
        if (toSeed is null && toClass is null) return (selection, guidance);
        if (selection.Count < 2) throw new UsageException($"{(toSeed is null ? _toClass.Name : _toSeed.Name)} draws a way of at least 2 images: give --count N.");
        if (toClass is not null)
        {
            if (selection.Classes[0].Label < 0) throw new UsageException($"{_toClass.Name} needs a model that was trained with classes.");
            var (_, label) = SampleSelection.ChooseClasses(toClass, model.Settings) is [var one] ? one : throw new UsageException($"{_toClass.Name} takes one class; got '{toClass}'.");
            if (guidance.Combination is not null || guidance.Branches.Any(b => b is not NullBranch))
                throw new UsageException($"{_toClass.Name} mixes predictions of two classes, which goes with cfg alone; leave out other guiders that combine predictions.");
            var shares = selection.Requests.Select((r, i) => (r.Index, Share: Interpolation.Share(i, selection.Count))).DistinctBy(r => r.Index).ToDictionary(r => r.Index, r => r.Share);
            guidance = guidance with { Branches = [.. guidance.Branches, new MixedClassBranch(label, shares)] };
        }
        return (selection.From(Interpolation.Between(model, selection.Requests, selection.Count, seed, toSeed ?? seed)), guidance);
    }
}
