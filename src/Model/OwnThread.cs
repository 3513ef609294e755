namespace NativeDiffusion.Model;

/// <summary>Long computations beside their caller: in a thread of their own, since one of the pool would be missing there for seconds.</summary>
internal static class OwnThread
{
    public static Task<T> Run<T>(Func<T> compute, CancellationToken cancellation) =>
        Task.Factory.StartNew(compute, cancellation, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
}
