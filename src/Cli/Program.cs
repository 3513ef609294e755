using System.Runtime.InteropServices;
using NativeDiffusion.Cli;

using var interrupt = new CancellationTokenSource();

// The first Ctrl-C asks the command to finish tidily; a second one ends the process.
void Interrupt(PosixSignalContext signal)
{
    if (interrupt.IsCancellationRequested) return;
    signal.Cancel = true;
    interrupt.Cancel();
}

using var ctrlC = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
return CliApplication.Run(args, Console.Out, Console.Error, interrupt.Token);
