namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.Quantile(TensorView x, double quantile, float most, TensorView limit)
    {
        var job = new QuantileJob(QuantileFormula.Of(quantile, most, x.Shape.RowCount), (int*)x.Pointer, (nint)x.Shape.RowCount, limit.Pointer);
        Pool.Run(ref job, x.Shape.Batch);
    }

    /// <summary>
    /// One sample. Bits of magnitudes are ordered as their values, so that the magnitude at a place is found by counting: first among the upper bits,
    /// then among the next of those that share them.
    /// </summary>
    private readonly struct QuantileJob(QuantileFormula formula, int* x, nint length, float* limit) : IWorkerJob
    {
        private const int Magnitude = int.MaxValue, CountedBits = 11;

        public void Execute(int item, int worker)
        {
            int* from = x + item * length;
            int below = At(from, formula.Below, out long upTo, out int largest);
            if (largest > QuantileFormula.Infinity)
            {
                limit[item] = float.NaN;
                return;
            }
            int above = upTo > formula.Above ? below : formula.Above == formula.Below ? below : Next(from, below);
            limit[item] = formula.Limit(BitConverter.Int32BitsToSingle(below), BitConverter.Int32BitsToSingle(above));
        }

        /// <summary>The magnitude at a place, how many are not above it, and the largest of all.</summary>
        private int At(int* from, long place, out long upTo, out int largest)
        {
            int* counts = stackalloc int[1 << CountedBits];
            long before = 0;
            int prefix = 0, shift = 31;
            largest = 0;
            upTo = 0;
            while (shift > 0)
            {
                int known = shift, bits = Math.Min(CountedBits, shift);
                shift -= bits;
                int mask = (1 << bits) - 1;
                new Span<int>(counts, 1 << CountedBits).Clear();
                for (nint i = 0; i < length; i++)
                {
                    int value = from[i] & Magnitude;
                    if (known == 31) largest = Math.Max(largest, value);
                    else if (value >> known != prefix) continue;
                    counts[value >> shift & mask]++;
                }
                int digit = 0;
                while (before + counts[digit] <= place) before += counts[digit++];
                upTo = before + counts[digit];
                prefix = prefix << bits | digit;
            }
            return prefix;
        }

        /// <summary>The smallest magnitude above another; there is one.</summary>
        private int Next(int* from, int below)
        {
            int next = int.MaxValue;
            for (nint i = 0; i < length; i++)
            {
                int value = from[i] & Magnitude;
                if (value > below && value < next) next = value;
            }
            return next;
        }
    }
}
