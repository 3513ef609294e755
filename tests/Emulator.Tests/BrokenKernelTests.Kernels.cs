using ILGPU;

namespace NativeDiffusion.Tests.Emulator;

public partial class BrokenKernelTests
{
    private static void ReadsPastTheEnd(ArrayView<float> input, ArrayView<float> output) =>
        output[Group.IdxX] = input[Group.IdxX + 1];

    private static void WritesBeforeTheBeginning(ArrayView<float> output) => output[Group.IdxX - 1] = 1;

    private static void TakesTooLongASubView(ArrayView<float> output) => output.SubView(Group.IdxX, Threads)[0] = 1;

    private static void CastsOddOffsets(ArrayView<float> data) => data.SubView(Group.IdxX, 4).Cast<Float4>()[0] = default;

    private static void ReadsUnwrittenShared(ArrayView<float> output)
    {
        var shared = SharedMemory.Allocate<float>(Threads);
        int lane = Group.IdxX;
        if (Threads - 1 - lane != 23)
            shared[Threads - 1 - lane] = lane;
        Group.Barrier();
        output[lane] = shared[Threads - 1 - lane];
    }

    private static void AddsToItsOutput(ArrayView<float> output) => output[Group.IdxX] += 1;

    private static void WritesAllButTheLast(ArrayView<float> output)
    {
        if (Group.IdxX < Threads - 1)
            output[Group.IdxX] = Group.IdxX;
    }

    private static void AllWriteOneSharedElement(ArrayView<float> output)
    {
        var shared = SharedMemory.Allocate<float>(1);
        shared[0] = Group.IdxX;
        Group.Barrier();
        output[Group.IdxX] = shared[0];
    }

    private static void WritesSharedInVain(ArrayView<float> output)
    {
        SharedMemory.Allocate<float>(1)[0] = Group.IdxX;
        output[Group.IdxX] = 1;
    }

    /// <summary>Exactly one of two neighbours has run before this thread in either straight order.</summary>
    private static void AsksWhetherItsPredecessorIsThere(ArrayView<int> output)
    {
        var shared = SharedMemory.Allocate<int>(Threads);
        int lane = Group.IdxX;
        shared[lane] = 0;
        Group.Barrier();
        shared[lane] = 1;
        int neighbours = lane is 0 or Threads - 1 ? 1 : shared[lane - 1] + shared[lane + 1];
        Group.Barrier();
        output[lane] = neighbours;
    }

    private static void ReadsItsNeighbourTooSoon(ArrayView<float> output)
    {
        var shared = SharedMemory.Allocate<float>(Threads);
        int lane = Group.IdxX;
        shared[lane] = 0;
        Group.Barrier();
        shared[lane] = lane + 1;
        float neighbour = shared[(lane + 1) % Threads];
        Group.Barrier();
        output[lane] = neighbour;
    }

    private static void GroupsWriteOneElement(ArrayView<float> output) => output[Group.IdxX] = Grid.IdxX;

    private static void HalfReachTheBarrier(ArrayView<float> output)
    {
        if (Group.IdxX < Threads / 2)
            Group.Barrier();
        output[Group.IdxX] = 1;
    }

    private static void BarrierInEitherBranch(ArrayView<float> output)
    {
        if (Group.IdxX < Threads / 2)
            Group.Barrier();
        else
            Group.Barrier();
        output[Group.IdxX] = 1;
    }

    private static void TakesTooMuchSharedMemory(ArrayView<float> output)
    {
        var shared = SharedMemory.Allocate<float>(12 * 1024 + 1);
        shared[Group.IdxX] = 0;
        output[Group.IdxX] = 1;
    }

    private static void DividesByZero(ArrayView<int> output, int divisor) => output[Group.IdxX] = 1 / divisor;
}
