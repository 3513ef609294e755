using System.Runtime.CompilerServices;
using ILGPU.Runtime;
using IlgpuEmulator;

namespace ILGPU;

/// <summary>
/// A range of elements of a device buffer or of shared memory. Every access is checked; the trailing parameters, which ILGPU's own
/// members lack, carry the source position into a report. The struct holds no reference, so that a suspended lane's copy of it can
/// lie in unmanaged memory.
/// </summary>
public readonly unsafe struct ArrayView<T> : IContiguousArrayView<T>
    where T : unmanaged
{
    public static readonly int ElementSize = sizeof(T);

    // Address of the allocation, byte offset of the view in it, and the allocation's number (see MemoryTable).
    private readonly byte* _origin;
    private readonly long _offset;
    private readonly int _memory;

    internal ArrayView(byte* origin, long offset, long length, int memory)
    {
        _origin = origin;
        _offset = offset;
        _memory = memory;
        Length = length;
    }

    MemoryBuffer IArrayView.Buffer => MemoryTable.Find(_memory).Buffer!;

    int IArrayView.ElementSize => sizeof(T);

    long IContiguousArrayView.IndexInBytes => _offset;

    public bool IsValid => _origin != null && Length > 0;

    public long Length { get; }

    public long LengthInBytes => Length * sizeof(T);

    internal byte* Address => _origin + _offset;

    internal ViewRange Range => new(_memory, _offset, LengthInBytes);

    public ref T this[
        int index,
        [CallerArgumentExpression(nameof(index))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref this[(long)index, expression, file, line];
    }

    public ref T this[
        long index,
        [CallerArgumentExpression(nameof(index))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            if ((ulong)index >= (ulong)Length || AccessTrace.Active)
                Access(index, expression, file, line);
            return ref ((T*)(_origin + _offset))[index];
        }
    }

    public ArrayView<T> SubView(
        int index,
        int subViewLength,
        [CallerArgumentExpression(nameof(index))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0) => SubView((long)index, subViewLength, expression, file, line);

    public ArrayView<T> SubView(
        long index,
        long subViewLength,
        [CallerArgumentExpression(nameof(index))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        // ILGPU asserts an offset inside the view even when the new view is empty.
        if (index < 0 || (index >= Length && (index != 0 || Length != 0)) || subViewLength < 0 || index + subViewLength > Length)
            ThrowSubView(index, subViewLength, expression, file, line);
        return new ArrayView<T>(_origin, _offset + (index * sizeof(T)), subViewLength, _memory);
    }

    public ArrayView<TOther> Cast<TOther>([CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        where TOther : unmanaged
    {
        // ILGPU rounds the offset down to whole new elements, so a view that starts between two of them would silently move.
        int alignment = Alignment.Of(sizeof(TOther));
        if (Length > 0 && (_offset % sizeof(TOther) != 0 || (nint)Address % alignment != 0))
            throw LaneContext.Report(
                SanitizerFinding.Misaligned,
                $"Cast<{typeof(TOther).Name}>: the view starts {_offset} bytes into its memory, which is not a multiple of " +
                $"{Math.Max(alignment, sizeof(TOther))} bytes",
                $"Cast<{typeof(TOther).Name}>()", file, line);
        return new ArrayView<TOther>(_origin, _offset, LengthInBytes / sizeof(TOther), _memory);
    }

    public override string ToString() => $"{_offset / sizeof(T)} [{Length}]";

    public static implicit operator ArrayView<T>(ArrayView1D<T, Stride1D.Dense> view) => view.BaseView;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Access(long index, string expression, string file, int line)
    {
        if ((ulong)index >= (ulong)Length)
            throw LaneContext.Report(
                SanitizerFinding.OutOfRange,
                $"element {index} of {(_memory == 0 ? "a shared" : "a global")} view of {Length} {typeof(T).Name}",
                $"[{expression}]", file, line);
        AccessTrace.Record(Address + (index * sizeof(T)), sizeof(T), expression, file, line);
    }

    private void ThrowSubView(long index, long length, string expression, string file, int line) =>
        throw LaneContext.Report(
            SanitizerFinding.OutOfRange,
            $"SubView({index}, {length}) of a view of {Length} {typeof(T).Name}",
            $"SubView({expression})", file, line);
}
