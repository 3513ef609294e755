using System.Runtime.InteropServices;

namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// The features that one network sees in a set of pictures, a row each, added in batches and kept as float32: 50,000 rows of 2,048 take 410
/// MB. Sets of different networks are never compared.
/// </summary>
public sealed unsafe class FeatureSet
{
    private const int ChunkRows = 512;

    // Pinned, so that kernels may read them by their addresses.
    private readonly List<float[]> _chunks = [];

    /// <summary>An empty set.</summary>
    /// <param name="network">Name of the network and of its layer, "digits-classifier/features" for example.</param>
    /// <param name="features">Length of a row.</param>
    /// <exception cref="ArgumentException">No name, or no features.</exception>
    public FeatureSet(string network, int features)
    {
        ArgumentException.ThrowIfNullOrEmpty(network);
        if (features < 1) throw new ArgumentException($"A row has at least one feature; got {features}.");
        (Network, Features) = (network, features);
    }

    /// <summary>What the features come from.</summary>
    public string Network { get; }

    /// <summary>Length of a row.</summary>
    public int Features { get; }

    /// <summary>Number of rows.</summary>
    public int Count { get; private set; }

    /// <summary>Adds rows.</summary>
    /// <param name="rows">[n, <see cref="Features"/>].</param>
    /// <exception cref="ArgumentException">Not a whole number of rows, or a value that is NaN or infinite; the message says where.
    /// </exception>
    public void Add(ReadOnlySpan<float> rows)
    {
        Require(rows, Features, Count);
        for (; rows.Length > 0; rows = rows[Features..])
        {
            if (Count % ChunkRows == 0) _chunks.Add(GC.AllocateUninitializedArray<float>(checked(ChunkRows * Features), pinned: true));
            rows[..Features].CopyTo(_chunks[^1].AsSpan(Count % ChunkRows * Features));
            Count++;
        }
    }

    /// <summary>A row.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    public ReadOnlySpan<float> Row(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        return _chunks[index / ChunkRows].AsSpan(index % ChunkRows * Features, Features);
    }

    /// <summary>Number of rows that equal an earlier one in every bit: pictures that were drawn twice.</summary>
    public int CountDuplicates()
    {
        var seen = new Dictionary<ulong, List<int>>();
        int duplicates = 0;
        for (int i = 0; i < Count; i++)
        {
            ReadOnlySpan<byte> row = MemoryMarshal.AsBytes(Row(i));
            var hash = new HashCode();
            hash.AddBytes(row);
            ref List<int>? same = ref CollectionsMarshal.GetValueRefOrAddDefault(seen, (ulong)hash.ToHashCode(), out _);
            same ??= [];
            bool known = false;
            foreach (int earlier in same) known |= row.SequenceEqual(MemoryMarshal.AsBytes(Row(earlier)));
            if (known) duplicates++;
            else same.Add(i);
        }
        return duplicates;
    }

    /// <summary>Address of a row, as long as the set lives.</summary>
    internal float* Pointer(int index) => (float*)Marshal.UnsafeAddrOfPinnedArrayElement(_chunks[index / ChunkRows], index % ChunkRows * Features);

    /// <summary>Refuses two sets that have no distance.</summary>
    /// <exception cref="ArgumentException">They come from different networks.</exception>
    internal static void RequireSame(string network, int features, string otherNetwork, int otherFeatures)
    {
        if (network != otherNetwork || features != otherFeatures)
            throw new ArgumentException(
                $"Features of different networks have nothing in common: these are {features} of '{network}', those {otherFeatures} of '{otherNetwork}'. Compute both with one network.");
    }

    /// <summary>Refuses what is no row of finite numbers.</summary>
    internal static void Require(ReadOnlySpan<float> rows, int features, long before)
    {
        if (rows.Length % features != 0) throw new ArgumentException($"{rows.Length} values are not a whole number of rows of {features} features.");
        for (int i = 0; i < rows.Length; i++)
            if (!float.IsFinite(rows[i]))
                throw new ArgumentException(
                    $"Feature {i % features} of sample {before + i / features} is {rows[i]}. Every metric would be NaN: look at that picture, and at the weights of the network.");
    }
}
