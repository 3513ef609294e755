namespace NativeDiffusion.Kernels;

/// <summary>
/// The weights by which samples along an axis become others: output i is the sum over t of weight[i, t] times input first[i] + t. What a resize
/// does to rows, and by <see cref="Transposed"/> its gradient.
/// </summary>
public sealed class ResampleTable
{
    private static readonly double[] Blur = [1 / 16.0, 4 / 16.0, 6 / 16.0, 4 / 16.0, 1 / 16.0];

    private readonly int[] _first;
    private readonly double[][] _rows;

    private ResampleTable(int inputs, int[] first, double[][] rows, ResampleTable? transposed)
    {
        (Inputs, _first, _rows) = (inputs, first, rows);
        Taps = rows.Max(r => r.Length);
        Weights = new float[rows.Length * Taps];
        First = new int[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            // Shorter rows end with weights of zero, of inputs that exist.
            First[i] = Math.Min(first[i], inputs - Taps);
            for (int t = 0; t < rows[i].Length; t++) Weights[i * Taps + first[i] - First[i] + t] = (float)rows[i][t];
        }
        Transposed = transposed ?? Transpose(inputs, first, rows);
    }

    /// <summary>Samples that are read.</summary>
    public int Inputs { get; }

    /// <summary>Samples that are written.</summary>
    public int Outputs => _rows.Length;

    /// <summary>Inputs that each output reads; at most <see cref="Inputs"/>.</summary>
    public int Taps { get; }

    /// <summary>First input of each output; the last one exists too.</summary>
    internal int[] First { get; }

    /// <summary>[Outputs, Taps].</summary>
    internal float[] Weights { get; }

    /// <summary>The same weights from output to input.</summary>
    public ResampleTable Transposed { get; }

    /// <summary>
    /// Linear interpolation; where samples become fewer, its triangle is stretched by as much, so that every input counts. At the ends the weights of
    /// what is missing are shared out.
    /// </summary>
    public static ResampleTable Linear(int inputs, int outputs) => Of(inputs, outputs, 1, x => x < 1 ? 1 - x : 0);

    /// <summary>The same with the cubic convolution of Keys (1981), a = -1/2, over four inputs: what image libraries call antialiased bicubic.</summary>
    public static ResampleTable Cubic(int inputs, int outputs) => Of(inputs, outputs, 2,
        x => x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0);

    /// <summary>
    /// Linear interpolation between sample centres, each output of two inputs at most also where samples become fewer; beyond the ends the last sample goes on.
    /// </summary>
    public static ResampleTable Interpolated(int inputs, int outputs)
    {
        if (inputs < 1 || outputs < 1) throw new ArgumentException($"At least one sample becomes at least one; got {inputs} and {outputs}.");
        return Dense(inputs, outputs, i =>
        {
            double[] row = new double[inputs];
            double at = Math.Max(0, (i + 0.5) * inputs / outputs - 0.5);
            int first = (int)at;
            row[first] += 1 - (at - first);
            row[Math.Min(first + 1, inputs - 1)] += at - first;
            return row;
        });
    }

    /// <summary>The mean of each sample and its neighbours, two at the ends: one direction of 3 x 3 average pooling of stride 1 that does not count padding.</summary>
    /// <param name="count">Samples, read and written.</param>
    public static ResampleTable MeanOfThree(int count)
    {
        if (count < 1) throw new ArgumentException($"A mean is of at least one sample; got {count}.");
        return Dense(count, count, i =>
        {
            double[] row = new double[count];
            int first = Math.Max(0, i - 1), last = Math.Min(count - 1, i + 1);
            for (int j = first; j <= last; j++) row[j] = 1.0 / (last - first + 1);
            return row;
        });
    }

    /// <summary>
    /// Every second sample of what a filter of an even number of taps makes of them: output i is the sum over a of taps[a] times input
    /// 2i + a - padding, zero beyond the ends. The opposite, <see cref="Transposed"/>, puts zeros between samples and filters them.
    /// </summary>
    /// <param name="inputs">Samples that are read.</param>
    /// <param name="taps">The filter.</param>
    /// <param name="padding">Zeros before the first sample and after the last; less than there are taps.</param>
    public static ResampleTable EverySecond(int inputs, IReadOnlyList<double> taps, int padding)
    {
        int outputs = (inputs + 2 * padding - taps.Count) / 2 + 1;
        if (inputs < 1 || outputs < 1 || padding < 0 || padding >= taps.Count || taps.Count % 2 != 0)
            throw new ArgumentException($"A filter of {taps.Count} taps and padding {padding} makes nothing of {inputs} samples; the number of taps is even and above the padding.");
        int[] first = [.. Enumerable.Range(0, outputs).Select(i => Math.Max(0, 2 * i - padding))];
        return new ResampleTable(inputs, first, [.. first.Select((from, i) =>
            (double[])[.. Enumerable.Range(from, Math.Min(inputs, 2 * i - padding + taps.Count) - from).Select(j => taps[j - 2 * i + padding])])], null);
    }

    /// <summary>
    /// Samples blurred by a Gaussian of an odd number of taps, ceil(6 sigma) or one more, but at most as many as there are samples, one more if they
    /// are even; beyond the ends they are reflected without repeating the last. Above 9999 every sample becomes the mean of all (Hong 2024,
    /// "Smoothed energy guidance", arXiv 2408.00760, as released).
    /// </summary>
    /// <param name="count">Samples, read and written.</param>
    /// <param name="sigma">Standard deviation in samples, above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no samples, or sigma is not above 0.</exception>
    public static ResampleTable Gaussian(int count, double sigma)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        if (!(sigma > 0)) throw new ArgumentOutOfRangeException(nameof(sigma), sigma, "The standard deviation of a blur is above 0.");
        if (sigma > 9999) return Dense(count, count, _ => [.. Enumerable.Repeat(1.0 / count, count)]);
        int width = (int)Math.Ceiling(6 * sigma);
        int half = Math.Min(width + 1 - width % 2, count + 1 - count % 2) / 2;
        double[] taps = [.. Enumerable.Range(-half, 2 * half + 1).Select(x => Math.Exp(-x * x / (2 * sigma * sigma)))];
        double sum = taps.Sum();
        return Dense(count, count, i =>
        {
            double[] row = new double[count];
            for (int t = 0; t < taps.Length; t++) row[Reflect(i + t - half, count)] += taps[t] / sum;
            return row;
        });
    }

    /// <summary>
    /// Half as many samples, as the levels of a Gaussian pyramid have them (Burt and Adelson 1983): the mean of each pair after a blur by [1 4 6 4 1] / 16,
    /// reflected at the ends without repeating the last.
    /// </summary>
    /// <param name="inputs">Samples that are read, an even number from 4 on.</param>
    /// <exception cref="ArgumentException">The number does not fit.</exception>
    public static ResampleTable BlurredHalf(int inputs)
    {
        if (inputs < 4 || inputs % 2 != 0) throw new ArgumentException($"An even number of samples, at least 4, is blurred and halved; got {inputs}.");
        return Dense(inputs, inputs / 2, i =>
        {
            double[] row = new double[inputs];
            for (int t = 0; t < 2 * Blur.Length; t++) row[Reflect(2 * i + t % 2 + t / 2 - 2, inputs)] += Blur[t / 2] / 2;
            return row;
        });
    }

    /// <summary>Twice as many samples: linear interpolation between sample centres, then the blur of <see cref="BlurredHalf"/>.</summary>
    /// <param name="inputs">Samples that are read, at least 2.</param>
    /// <exception cref="ArgumentException">There are fewer.</exception>
    public static ResampleTable BlurredDouble(int inputs)
    {
        if (inputs < 2) throw new ArgumentException($"At least 2 samples are doubled and blurred; got {inputs}.");
        return Dense(inputs, 2 * inputs, i =>
        {
            double[] row = new double[inputs];
            for (int t = 0; t < Blur.Length; t++)
            {
                // Centres lie a quarter beside the sample that is doubled.
                int j = Reflect(i + t - 2, 2 * inputs), beside = j / 2 + (j % 2 == 0 ? -1 : 1);
                row[j / 2] += 0.75 * Blur[t];
                row[Math.Clamp(beside, 0, inputs - 1)] += 0.25 * Blur[t];
            }
            return row;
        });
    }

    /// <summary>One output, the sum of all samples.</summary>
    /// <param name="count">Samples that are read.</param>
    /// <exception cref="ArgumentException">There are none.</exception>
    public static ResampleTable Sum(int count) => FromWeights(count, 1, _ => [.. Enumerable.Repeat(1.0, Math.Max(count, 0))]);

    /// <summary>Any weights: each output from the inputs between its first and last weight that is not 0; without any it is 0.</summary>
    /// <param name="inputs">Samples that are read.</param>
    /// <param name="outputs">Samples that are written.</param>
    /// <param name="weights">The weights of an output, one for each input.</param>
    /// <exception cref="ArgumentException">There are no inputs or outputs, or an output has another number of weights.</exception>
    public static ResampleTable FromWeights(int inputs, int outputs, Func<int, double[]> weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        if (inputs < 1 || outputs < 1) throw new ArgumentException($"At least one sample becomes at least one; got {inputs} and {outputs}.");
        return Dense(inputs, outputs, i => weights(i) is { } row && row.Length == inputs ? row : throw new ArgumentException($"Output {i} needs {inputs} weights."));
    }

    /// <summary>First input and weights of an output, before rounding to float.</summary>
    public (int First, IReadOnlyList<double> Weights) Exact(int output) => (_first[output], _rows[output]);

    private static int Reflect(int i, int count)
    {
        i = Math.Abs(i);
        return i < count ? i : 2 * (count - 1) - i;
    }

    private static ResampleTable Of(int inputs, int outputs, int radius, Func<double, double> filter)
    {
        if (inputs < 1 || outputs < 1) throw new ArgumentException($"At least one sample becomes at least one; got {inputs} and {outputs}.");
        double step = (double)inputs / outputs, stretch = Math.Max(step, 1), reach = radius * stretch;
        int[] first = new int[outputs];
        double[][] rows = new double[outputs][];
        for (int i = 0; i < outputs; i++)
        {
            double centre = (i + 0.5) * step;
            first[i] = Math.Max(0, (int)(centre - reach + 0.5));
            int end = Math.Min(inputs, (int)(centre + reach + 0.5)), start = first[i];
            double[] weights = [.. Enumerable.Range(start, end - start).Select(j => filter(Math.Abs(j + 0.5 - centre) / stretch))];
            double sum = weights.Sum();
            rows[i] = [.. weights.Select(w => w / sum)];
        }
        return new ResampleTable(inputs, first, rows, null);
    }

    /// <summary>Each output from the inputs between its first and last weight that is not 0.</summary>
    private static ResampleTable Dense(int inputs, int outputs, Func<int, double[]> weights)
    {
        int[] first = new int[outputs];
        double[][] rows = new double[outputs][];
        for (int i = 0; i < outputs; i++)
        {
            double[] row = weights(i);
            // A row of zeros reads the first input.
            first[i] = Math.Max(0, Array.FindIndex(row, w => w != 0));
            rows[i] = row[first[i]..(Math.Max(first[i], Array.FindLastIndex(row, w => w != 0)) + 1)];
        }
        return new ResampleTable(inputs, first, rows, null);
    }

    private ResampleTable Transpose(int inputs, int[] first, double[][] rows)
    {
        int[] start = new int[inputs];
        double[][] columns = new double[inputs][];
        for (int j = 0; j < inputs; j++)
        {
            bool Reads(int i) => first[i] <= j && j < first[i] + rows[i].Length;
            int[] readers = [.. Enumerable.Range(0, rows.Length).Where(Reads)];
            start[j] = readers.Length == 0 ? 0 : readers[0];
            columns[j] = readers.Length == 0 ? [0] : [.. Enumerable.Range(start[j], readers[^1] - start[j] + 1).Select(i => Reads(i) ? rows[i][j - first[i]] : 0)];
        }
        return new ResampleTable(rows.Length, start, columns, this);
    }
}
