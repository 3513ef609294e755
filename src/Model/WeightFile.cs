using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model;

/// <summary>
/// Parameters to and from checkpoints, under their published names and extents: a convolution's weight is [Cout, Cin, Kh, Kw] in files and
/// [Cout, Kh, Kw, Cin] in memory. Both ways through a small window: a checkpoint is never held beside the parameters.
/// </summary>
internal static class WeightFile
{
    /// <summary>Prefix of the exponential moving average in training checkpoints.</summary>
    public const string AveragePrefix = "ema.";

    // Small enough for the cache, so that the permutation costs no pass through memory.
    private const int WindowElements = 1 << 14;
    private const int ShownDifferences = 5;

    public static IEnumerable<TensorEntry> Entries(Parameters parameters, IKernels kernels, string prefix, DType type) =>
        Entries(parameters, parameters.Values, kernels, prefix, type);

    /// <summary>One entry per parameter from a flat buffer laid out as its values (the values themselves, or a moment), read when the file is written.</summary>
    public static IEnumerable<TensorEntry> Entries(Parameters parameters, TensorView flat, IKernels kernels, string prefix, DType type) =>
        parameters.Items.Select(p => new TensorEntry(prefix + p.Name, type, [.. p.PublishedShape.Select(e => (long)e)], stream => Write(stream, p, flat, kernels, type)));

    /// <summary>Reads every parameter from the file's tensors with a prefix; other prefixes are left alone.</summary>
    /// <param name="file">The checkpoint.</param>
    /// <param name="prefix">What stands before every key.</param>
    /// <param name="parameters">Where to.</param>
    /// <param name="kernels">Their device.</param>
    /// <param name="isBuffer">Keys (without the prefix) that the file may hold although they are no parameters.</param>
    /// <exception cref="CheckpointException">Keys or extents do not fit; the message names the first five differences.</exception>
    public static void Read(CheckpointFile file, string prefix, Parameters parameters, IKernels kernels, Predicate<string>? isBuffer = null)
    {
        // Before the values are first touched: what a hostile configuration asks for is allocated only if the file really has it.
        Check(file, prefix, parameters, isBuffer);
        ReadChecked(file, prefix, parameters.Items, parameters.Values, kernels);
        parameters.MarkChanged();
    }

    /// <summary>Reads a flat buffer laid out as the values.</summary>
    public static void Read(CheckpointFile file, string prefix, Parameters parameters, TensorView flat, IKernels kernels)
    {
        Check(file, prefix, parameters);
        ReadChecked(file, prefix, parameters.Items, flat, kernels);
    }

    /// <summary>Compares names and extents, reading no tensor. Trailing extents of 1 do not matter: a 1x1 convolution is a linear layer.</summary>
    /// <exception cref="CheckpointException">They differ; the message names the first five differences.</exception>
    public static void Check(CheckpointFile file, string prefix, Parameters parameters, Predicate<string>? isBuffer = null)
    {
        List<string> differences = [];
        int count = 0;
        void Add(string difference)
        {
            if (count++ < ShownDifferences) differences.Add(difference);
        }
        foreach (var parameter in parameters.Items)
        {
            string name = prefix + parameter.Name, needed = string.Join(",", parameter.PublishedShape);
            if (!file.Contains(name)) Add($"'{name}' [{needed}] is missing");
            else if (!SameExtents(file.Find(name).Shape, [.. parameter.PublishedShape.Select(e => (long)e)])) Add($"'{name}' is [{string.Join(",", file.Find(name).Shape)}] instead of [{needed}]");
        }
        foreach (var tensor in file.Tensors)
        {
            if (!tensor.Name.StartsWith(prefix, StringComparison.Ordinal) || prefix.Length == 0 && IsOther(tensor.Name)) continue;
            string name = tensor.Name[prefix.Length..];
            if (!parameters.Contains(name) && isBuffer?.Invoke(name) != true) Add($"{tensor} is superfluous");
        }
        if (count == 0) return;
        string more = count > ShownDifferences ? $"; and {count - ShownDifferences} more differences" : "";
        throw new CheckpointException($"{file.Name}: its tensors are not those of this architecture: {string.Join("; ", differences)}{more}.");
    }

    /// <summary>[Cout, Kh, Kw, Cin] to [Cout, Cin, Kh, Kw]; anything else unchanged.</summary>
    internal static float[] ToPublished(float[] values, Shape shape)
    {
        if (!IsPermuted(shape)) return values;
        float[] result = new float[values.Length];
        ToPublished(values, result, shape);
        return result;
    }

    /// <summary>[Cout, Cin, Kh, Kw] to [Cout, Kh, Kw, Cin]; anything else unchanged.</summary>
    internal static float[] FromPublished(float[] values, Shape shape)
    {
        if (!IsPermuted(shape)) return values;
        float[] result = new float[values.Length];
        FromPublished(values, result, shape);
        return result;
    }

    /// <summary>Reads some parameters whose names and extents were compared already.</summary>
    internal static void ReadChecked(CheckpointFile file, string prefix, IReadOnlyList<Parameter> parameters, TensorView flat, IKernels kernels)
    {
        // Touching new memory costs as much as copying the file, so host memory is filled by several threads, each parameter by one of them.
        using var use = flat.BeginWrite();
        if (flat.Memory is not CpuMemory || kernels is not CpuKernels { Threads: var threads })
        {
            foreach (var parameter in parameters) ReadOne(parameter);
            return;
        }
        try
        {
            Parallel.ForEach(Partitioner.Create(parameters, EnumerablePartitionerOptions.NoBuffering), new ParallelOptions { MaxDegreeOfParallelism = threads }, ReadOne);
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        void ReadOne(Parameter parameter)
        {
            using var reader = file.OpenTensor(prefix + parameter.Name);
            Read(reader, parameter.Shape, new TensorView(flat.Memory!, parameter.Offset, parameter.Shape), kernels, file.Name);
        }
    }

    private static void Read(TensorReader reader, Shape shape, TensorView target, IKernels kernels, string file)
    {
        bool onHost = target.Memory is CpuMemory, permuted = IsPermuted(shape);
        if (onHost && !permuted)
        {
            foreach (var (first, length) in Windows(shape, WindowElements))
            {
                var piece = target.Span.Slice((int)first, length);
                reader.Read(piece);
                RequireFinite(piece, first, reader.Tensor, file);
            }
            return;
        }
        float[] published = new float[WindowLength(shape)];
        float[] here = onHost || !permuted ? published : new float[published.Length];
        foreach (var (first, length) in Windows(shape, published.Length))
        {
            reader.Read(published.AsSpan(0, length));
            RequireFinite(published.AsSpan(0, length), first, reader.Tensor, file);
            TensorView window = new(target.Memory!, target.Offset + first, new Shape(length));
            Span<float> result = onHost ? window.Span : here.AsSpan(0, length);
            if (permuted) FromPublished(published.AsSpan(0, length), result, shape);
            if (!onHost) kernels.Upload(result, window);
        }
    }

    private static void Write(Stream stream, Parameter parameter, TensorView flat, IKernels kernels, DType type)
    {
        bool permuted = IsPermuted(parameter.Shape);
        float[] here = new float[WindowLength(parameter.Shape)], published = permuted ? new float[here.Length] : here;
        byte[] bytes = new byte[here.Length * TensorEntry.SizeOf(type)];
        foreach (var (first, length) in Windows(parameter.Shape, here.Length))
        {
            kernels.Download(new TensorView(flat.Memory!, parameter.Offset + first, new Shape(length)), here.AsSpan(0, length));
            RequireStorable(here.AsSpan(0, length), parameter.Name, type);
            if (permuted) ToPublished(here.AsSpan(0, length), published, parameter.Shape);
            stream.Write(TensorEntry.Convert(published.AsSpan(0, length), type, bytes));
        }
    }

    // A weight that is no number makes every image black, and a training worthless.
    private static void RequireFinite(ReadOnlySpan<float> values, long first, TensorInfo tensor, string file)
    {
        int at = FiniteNumbers.FirstOther(values);
        if (at >= 0) throw new CheckpointException($"{file}: tensor {tensor} holds {values[at]} at element {first + at}, which no network can use: its training diverged, or the file was damaged.");
    }

    private static void RequireStorable(ReadOnlySpan<float> values, string name, DType type)
    {
        int at = FiniteNumbers.FirstOther(values);
        if (at >= 0) throw new NotFiniteNumberException($"'{name}' holds {values[at]}: the training diverged. Nothing is written; what was saved before is whole.", values[at]);
        if (type == DType.F16 && FiniteNumbers.FirstBeyond(values, (float)Half.MaxValue) is >= 0 and var beyond)
            throw new NotFiniteNumberException($"'{name}' holds {values[beyond]}, beyond the {Half.MaxValue} that f16 can store. Nothing is written; save it as f32.", values[beyond]);
    }

    // Whole output channels where they are permuted, so that a window is the same elements on both sides.
    private static int WindowLength(Shape shape)
    {
        int row = IsPermuted(shape) ? (int)(shape.Count / shape[0]) : 1;
        return (int)Math.Min(shape.Count, Math.Max(1, WindowElements / row) * (long)row);
    }

    private static IEnumerable<(long First, int Length)> Windows(Shape shape, int most)
    {
        for (long first = 0; first < shape.Count; first += most)
            yield return (first, (int)Math.Min(most, shape.Count - first));
    }

    private static bool IsPermuted(Shape shape) => shape.Rank == 4 && shape[1] * shape[2] > 1;

    private static void FromPublished(ReadOnlySpan<float> published, Span<float> here, Shape shape)
    {
        int cin = shape[3], taps = shape[1] * shape[2], row = cin * taps;
        for (int first = 0; first < published.Length; first += row)
        {
            var source = published.Slice(first, row);
            var target = here.Slice(first, row);
            for (int tap = 0; tap < taps; tap++)
            {
                var line = target.Slice(tap * cin, cin);
                for (int c = 0, at = tap; c < line.Length; c++, at += taps) line[c] = source[at];
            }
        }
    }

    private static void ToPublished(ReadOnlySpan<float> here, Span<float> published, Shape shape)
    {
        int cin = shape[3], taps = shape[1] * shape[2], row = cin * taps;
        for (int first = 0; first < here.Length; first += row)
        {
            var source = here.Slice(first, row);
            var target = published.Slice(first, row);
            for (int c = 0; c < cin; c++)
                for (int tap = 0; tap < taps; tap++)
                    target[c * taps + tap] = source[tap * cin + c];
        }
    }

    // Tensors of a training checkpoint that are not the weights.
    private static bool IsOther(string name) => name.StartsWith(AveragePrefix, StringComparison.Ordinal)
        || name.StartsWith("adam.", StringComparison.Ordinal) || name.StartsWith("training.", StringComparison.Ordinal)
        || name.StartsWith("power.", StringComparison.Ordinal);

    /// <summary>Whether extents agree but for trailing ones.</summary>
    internal static bool SameExtents(ReadOnlySpan<long> found, ReadOnlySpan<long> needed) => found.TrimEnd(1).SequenceEqual(needed.TrimEnd(1));
}
