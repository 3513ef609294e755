using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace NativeDiffusion.Cli;

/// <summary>Shows how far a long command is: a bar on a terminal, else a line every ten seconds.</summary>
internal sealed class ConsoleProgress
{
    private const double SecondsBetweenLines = 10;

    private readonly IAnsiConsole _console;
    private readonly ProgressTask? _task;
    private readonly string _title;
    private readonly long _start, _total;
    private readonly Stopwatch _elapsed = Stopwatch.StartNew();
    private double _lastLine;

    private ConsoleProgress(IAnsiConsole console, ProgressTask? task, string title, long start, long total) =>
        (_console, _task, _title, _start, _total) = (console, task, title, start, total);

    /// <summary>Runs <paramref name="work"/> with a progress display on standard error.</summary>
    /// <param name="context">Where to show it.</param>
    /// <param name="title">What is counted, "step" for example.</param>
    /// <param name="start">What was done before: it does not count for the speed.</param>
    /// <param name="total">How much there is in all.</param>
    /// <param name="work">Calls <see cref="Report"/>.</param>
    public static void Run(CliContext context, string title, long start, long total, Action<ConsoleProgress> work)
    {
        var console = context.ErrorConsole();
        if (!console.Profile.Out.IsTerminal)
        {
            work(new ConsoleProgress(console, null, title, start, total));
            return;
        }
        console.Progress().Columns(new ProgressBarColumn { Width = 30 }, new PercentageColumn(), new TaskDescriptionColumn { Alignment = Justify.Left })
            .Start(display => work(new ConsoleProgress(console, display.AddTask(PlainText.Markup(title), maxValue: total), title, start, total)));
    }

    /// <summary>Runs work that does not say how far it is, reading a model for example: on a terminal with a sign that it goes on, else with a line if it takes long.</summary>
    /// <param name="context">Where to show it.</param>
    /// <param name="what">What is done, "reading model.safetensors" for example.</param>
    /// <param name="work">The work, on this thread.</param>
    /// <param name="patience">Seconds after which a line is due where there is no terminal.</param>
    public static T Wait<T>(CliContext context, string what, Func<T> work, double patience = SecondsBetweenLines)
    {
        var console = context.ErrorConsole();
        if (console.Profile.Out.IsTerminal) return console.Status().Start(Markup.Escape(what), _ => work());
        using var late = new Timer(_ => console.Profile.Out.Writer.WriteLine($"{what} ..."), null, TimeSpan.FromSeconds(patience), Timeout.InfiniteTimeSpan);
        return work();
    }

    /// <summary>Says how much is done.</summary>
    public void Report(long done, string detail = "")
    {
        double seconds = _elapsed.Elapsed.TotalSeconds;
        bool last = done >= _total;
        if (_task is null && !last && seconds - _lastLine < SecondsBetweenLines) return;
        string left = last ? Duration(seconds) : done > _start ? Duration(seconds / (done - _start) * (_total - done)) + " left" : "";
        string text = string.Join("  ", new[] { $"{_title} {done}/{_total}", detail, left }.Where(part => part.Length > 0));
        if (_task is null)
        {
            _lastLine = seconds;
            _console.Profile.Out.Writer.WriteLine(text);
            return;
        }
        _task.Description = PlainText.Markup(text);
        _task.Value = done;
    }

    /// <summary>Writes a line above the bar.</summary>
    public void WriteLine(string line)
    {
        if (_task is null) _console.Profile.Out.Writer.WriteLine(line);
        else _console.WriteLine(line);
    }

    /// <summary>A duration as people say it.</summary>
    internal static string Duration(double seconds) => seconds switch
    {
        < 10 => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s"),
        < 60 => string.Create(CultureInfo.InvariantCulture, $"{seconds:0} s"),
        < 3600 => $"{(int)seconds / 60} min {(int)seconds % 60:00} s",
        _ => $"{(long)seconds / 3600} h {(long)seconds / 60 % 60:00} min",
    };
}

/// <summary>Progress that is reported at once, on the thread that does the work.</summary>
internal sealed class ImmediateProgress<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
