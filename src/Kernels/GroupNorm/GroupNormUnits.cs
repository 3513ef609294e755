using System.Numerics;

namespace NativeDiffusion.Kernels;

/// <summary>
/// Cuts a tensor [N,...,C] with G groups of channels into units of work: a band of positions of one batch row times a slab of
/// whole groups. The cut looks at the shape of a row only, so partial sums do not depend on the batch or on the number of threads.
/// </summary>
internal readonly struct GroupNormUnits
{
    // A unit is 256 KiB at most. Up to 1024 channels, a page of memory, stay whole: prefetchers work within a page.
    private const int UnitLength = 65536, SlabChannels = 1024;

    // Partial sums of at most this many floats are added in float, longer ones in double.
    private const int MaxBand = 256, MinBand = 32;

    public readonly int Rows, Positions, Channels, Groups, GroupSize;
    public readonly int Bands, Slabs;
    private readonly int _bandLength, _slabGroups, _unitsPerItem;

    public GroupNormUnits(Shape shape, int groups)
    {
        Rows = shape.Batch;
        Channels = shape.Channels;
        Positions = checked((int)(shape.RowCount / Channels));
        Groups = groups;
        GroupSize = Channels / groups;
        // Slabs of whole vectors of 16 where groups allow it, so that only the last slab can have a tail.
        int whole = 16 / Math.Min(16, 1 << BitOperations.TrailingZeroCount(GroupSize));
        _slabGroups = Math.Min(groups, (Math.Max(1, SlabChannels / GroupSize) + whole - 1) / whole * whole);
        Slabs = (groups + _slabGroups - 1) / _slabGroups;
        // Two bands at least where a row is worth it: a single row should keep two cores busy.
        _bandLength = Math.Clamp(Math.Min(UnitLength / SlabWidth, (Positions + 1) / 2), MinBand, MaxBand);
        Bands = (Positions + _bandLength - 1) / _bandLength;
        _unitsPerItem = Math.Max(1, 8192 / (SlabWidth * Math.Min(_bandLength, Positions)));
    }

    /// <summary>Channels of the widest slab.</summary>
    public int SlabWidth => _slabGroups * GroupSize;

    /// <summary>
    /// Floats between two arrays over the channels of a slab: whole vectors, and five cache lines more: arrays a page apart share
    /// their cache sets and make loads wait for unrelated stores.
    /// </summary>
    public int SlabStride => (SlabWidth + 15 & ~15) + 80;

    /// <summary>Items for the worker pool; each is a run of units.</summary>
    public int Items => checked((int)((Count + _unitsPerItem - 1) / _unitsPerItem));

    private long Count => (long)Rows * Bands * Slabs;

    public long FirstUnit(int item) => (long)item * _unitsPerItem;

    public long EndUnit(int item) => Math.Min(Count, (item + 1L) * _unitsPerItem);

    public Unit this[long index]
    {
        get
        {
            int slab = (int)(index % Slabs), band = (int)(index / Slabs % Bands);
            int position = band * _bandLength, group = slab * _slabGroups;
            int groups = Math.Min(_slabGroups, Groups - group);
            return new Unit((int)(index / Slabs / Bands), band, position, Math.Min(_bandLength, Positions - position), group, groups,
                group * GroupSize, groups * GroupSize);
        }
    }

    /// <summary>Index of the unit's first element in a tensor of the shape.</summary>
    public nint Offset(Unit unit) => ((nint)unit.Row * Positions + unit.Position) * Channels + unit.Channel;

    /// <summary>Positions in band <paramref name="band"/>.</summary>
    public int BandLength(int band) => Math.Min(_bandLength, Positions - band * _bandLength);

    internal readonly record struct Unit(int Row, int Band, int Position, int Positions, int Group, int Groups, int Channel, int Channels);
}
