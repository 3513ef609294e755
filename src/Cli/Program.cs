using NativeDiffusion.Cli;

using var interrupt = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    // The first Ctrl-C asks the command to finish tidily; a second one ends the process.
    if (interrupt.IsCancellationRequested) return;
    pressed.Cancel = true;
    interrupt.Cancel();
};
return CliApplication.Run(args, Console.Out, Console.Error, interrupt.Token);
