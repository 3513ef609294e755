namespace IlgpuEmulator;

/// <summary>How much a launch on the emulator checks.</summary>
public enum Thoroughness
{
    /// <summary>One run in ascending order: ranges, alignment, barriers; no races, no reads of undefined memory.</summary>
    Fast,

    /// <summary>Three runs (ascending, descending, shuffled; two poison patterns) whose memory must agree.</summary>
    Thorough,

    /// <summary>As <see cref="Thorough"/>, with four further shuffles.</summary>
    Exhaustive,
}

/// <summary>Settings of the emulator; they hold for the current flow of execution, so that tests may run side by side.</summary>
public static class EmulatorOptions
{
    private static readonly AsyncLocal<Thoroughness?> Chosen = new();
    private static readonly AsyncLocal<bool> IgnoreDownloads = new();
    private static readonly AsyncLocal<(string File, int Line)?> Dropped = new();
    private static readonly AsyncLocal<FailingDevice?> Failure = new();
    private static readonly AsyncLocal<Action<RecordedLaunch>?> Record = new();
    private static readonly AsyncLocal<List<Action>?> Capture = new();
    private static readonly Thoroughness FromEnvironment = Read();

    /// <summary>How much launches check: what was last set in this flow of execution, else the environment variable
    /// ND_EMULATOR (fast, thorough or exhaustive), else <see cref="Thoroughness.Thorough"/>.</summary>
    public static Thoroughness Thoroughness
    {
        get => Chosen.Value ?? FromEnvironment;
        set => Chosen.Value = value;
    }

    /// <summary>Whether copying bytes to the host that nothing wrote is a finding; holds for the current flow of execution.</summary>
    public static bool ReportUndefinedDownloads
    {
        get => !IgnoreDownloads.Value;
        set => IgnoreDownloads.Value = !value;
    }

    /// <summary>A barrier that launches of this flow of execution pass without waiting, by file and line: what the kernel is without it.</summary>
    public static (string File, int Line)? DroppedBarrier
    {
        get => Dropped.Value;
        set => Dropped.Value = value;
    }

    /// <summary>The device that fails in this flow of execution; null for one that does not.</summary>
    public static FailingDevice? Failing
    {
        get => Failure.Value;
        set => Failure.Value = value;
    }

    /// <summary>Takes the launches of this flow of execution, which the device then leaves out; null to run them.</summary>
    public static Action<RecordedLaunch>? Recorder
    {
        get => Record.Value;
        set => Record.Value = value;
    }

    /// <summary>Takes the launches of this flow of execution, to run them later; null to run them now.</summary>
    public static List<Action>? Captured
    {
        get => Capture.Value;
        set => Capture.Value = value;
    }

    private static Thoroughness Read()
    {
        string? text = Environment.GetEnvironmentVariable("ND_EMULATOR");
        if (string.IsNullOrEmpty(text))
            return Thoroughness.Thorough;
        return Enum.TryParse(text, ignoreCase: true, out Thoroughness value)
            ? value
            : throw new InvalidOperationException($"ND_EMULATOR is '{text}'; it takes fast, thorough or exhaustive.");
    }
}

/// <summary>A launch that was recorded instead of run.</summary>
/// <param name="Kernel">The first argument: here, the kernel with all its arguments.</param>
/// <param name="Groups">Groups of the grid.</param>
public readonly record struct RecordedLaunch(object Kernel, long Groups);

/// <summary>How an emulated device fails, as drivers report it: by exceptions of allocations, launches, copies and waits.</summary>
public sealed class FailingDevice
{
    /// <summary>Bytes that are free.</summary>
    public long MemoryBytes { get; set; } = long.MaxValue;

    /// <summary>Launches after which the device is lost.</summary>
    public long LaunchesLeft { get; set; } = long.MaxValue;

    internal bool IsLost => LaunchesLeft < 0;

    internal void Allocate(long bytes)
    {
        ThrowIfLost();
        if (bytes > MemoryBytes) throw new EmulatedFailure("out of memory");
        MemoryBytes -= bytes;
    }

    internal void Free(long bytes)
    {
        MemoryBytes += bytes;
        ThrowIfLost();
    }

    internal void Launch()
    {
        LaunchesLeft--;
        ThrowIfLost();
    }

    internal void ThrowIfLost()
    {
        if (IsLost) throw new EmulatedFailure("unspecified launch failure");
    }
}

internal sealed class EmulatedFailure(string message) : ILGPU.Runtime.AcceleratorException(message);
