using System.Globalization;
using System.Runtime.InteropServices;
using NativeDiffusion.Cli;
using NativeDiffusion.Runtime;

PosixFile.ReserveStandardFiles();
using var interrupt = new CancellationTokenSource();

// The first Ctrl-C asks the command to finish tidily; a second one ends the process.
void Interrupt(PosixSignalContext signal)
{
    if (interrupt.IsCancellationRequested) return;
    signal.Cancel = true;
    interrupt.Cancel();
}

// The terminal is gone. Shell and kernel may both say so, and neither means to end what is being saved.
void HangUp(PosixSignalContext signal)
{
    signal.Cancel = true;
    interrupt.Cancel();
}

// What nohup started is to go on: it ignores the signal, which a handler would undo.
static bool IsHangUpIgnored()
{
    const string field = "SigIgn:", status = "/proc/self/status";
    string? mask = File.Exists(status) ? File.ReadLines(status).FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal)) : null;
    return mask is not null && (ulong.Parse(mask[field.Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & 1) != 0;
}

using var ctrlC = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
using var hangUp = IsHangUpIgnored() ? null : PosixSignalRegistration.Create(PosixSignal.SIGHUP, HangUp);
using var output = new ResultWriter(Console.Out);
using var error = new MessageWriter(Console.Error);
return CliApplication.Run(args, output, error, interrupt.Token);
