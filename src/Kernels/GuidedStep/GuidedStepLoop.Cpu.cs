using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    private partial struct GuidedStepJob
    {
        private readonly void Step<V>(in Sources sources, long at, nint count)
            where V : unmanaged, ILanes<V>
        {
            nint whole = count - count % V.Count;
            switch (sources.Noise != null, Secondary)
            {
                case (false, false): Step<V, WholeLanes, Off, Off>(sources, at, 0, whole, V.Count); break;
                case (true, false): Step<V, WholeLanes, On, Off>(sources, at, 0, whole, V.Count); break;
                case (false, true): Step<V, WholeLanes, Off, On>(sources, at, 0, whole, V.Count); break;
                case (true, true): Step<V, WholeLanes, On, On>(sources, at, 0, whole, V.Count); break;
            }
            if (whole < count) Step<V, PartialLanes, On, On>(sources, at, whole, count, (int)(count - whole));
        }

        /// <summary>
        /// Elements <paramref name="from"/> to <paramref name="end"/> - 1 of a stretch, for every row of every sampler. Terms are switched by
        /// conditions that never change within the loop; as each still costs a cycle a vector, loops without noise and without the terms that few
        /// samplers have (E, Q, stored state, denoised) are compiled from the same source.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Step<V, TAccess, TNoise, TSecondary>(in Sources sources, long at, nint from, nint end, int lanes)
            where V : unmanaged, ILanes<V>
            where TAccess : unmanaged, ILaneAccess
            where TNoise : unmanaged, ISwitch
            where TSecondary : unmanaged, ISwitch
        {
            float* conditional = sources.Conditional, unconditional = sources.Null, variance = sources.Variance, noise = sources.Noise;
            float* state = Z + at, next = Y + at, history = History + at, storedState = State + at, denoised = Denoised == null ? null : Denoised + at;
            V scale = V.Broadcast(sources.Scale), xFromG = V.Broadcast(Row->XFromG), xFromZ = V.Broadcast(Row->XFromZ);
            V a = V.Broadcast(Row->A), b = V.Broadcast(Row->B), e = V.Broadcast(Row->E), p = V.Broadcast(Row->P), q = V.Broadcast(Row->Q);
            V low = V.Broadcast(Row->Clip ? Row->ClipLow : float.NegativeInfinity), high = V.Broadcast(Row->Clip ? Row->ClipHigh : float.PositiveInfinity);
            V historyFromX = V.Broadcast(Row->HistoryFromX), historyFromZ = V.Broadcast(Row->HistoryFromZ), c = V.Broadcast(Row->C);
            V slope = V.Broadcast(0.25f * (Row->LogVarMax - Row->LogVarMin)), middle = V.Broadcast(0.25f * (Row->LogVarMax + Row->LogVarMin));
            bool readsG = Row->E != 0, readsHistory = Row->P != 0, readsState = Row->Q != 0;
            bool storesHistory = Row->StoreHistory, storesState = Row->StoreState;
            for (nint i = from; i < end; i += V.Count)
            {
                V z = TAccess.Load<V>(state + i, lanes), g = TAccess.Load<V>(conditional + i, lanes);
                if (unconditional != null)
                {
                    V e0 = TAccess.Load<V>(unconditional + i, lanes);
                    g = V.MultiplyAdd(scale, g - e0, e0);
                }
                // In this order of arguments a NaN stays one.
                V x = V.Min(high, V.Max(low, V.MultiplyAdd(xFromG, g, xFromZ * z)));
                V y = V.MultiplyAdd(b, x, a * z);
                if (TSecondary.IsOn && readsG) y = V.MultiplyAdd(e, g, y);
                if (readsHistory) y = V.MultiplyAdd(p, TAccess.Load<V>(history + i, lanes), y);
                if (TSecondary.IsOn && readsState) y = V.MultiplyAdd(q, TAccess.Load<V>(storedState + i, lanes), y);
                if (TNoise.IsOn && noise != null)
                {
                    V deviation = c;
                    if (variance != null) deviation = LanesMath.Exp(V.MultiplyAdd(slope, TAccess.Load<V>(variance + i, lanes), middle));
                    y = V.MultiplyAdd(deviation, TAccess.Load<V>(noise + i, lanes), y);
                }
                if (storesHistory) TAccess.Store(history + i, V.MultiplyAdd(historyFromX, x, historyFromZ * z), lanes);
                if (TSecondary.IsOn && storesState) TAccess.Store(storedState + i, z, lanes);
                if (TSecondary.IsOn && denoised != null) TAccess.Store(denoised + i, x, lanes);
                TAccess.Store(next + i, y, lanes);
            }
        }
    }

    /// <summary>A condition that the compiler knows.</summary>
    private interface ISwitch
    {
        static abstract bool IsOn { get; }
    }

    private readonly struct On : ISwitch
    {
        public static bool IsOn => true;
    }

    private readonly struct Off : ISwitch
    {
        public static bool IsOn => false;
    }

    /// <summary>Whole vectors, or the rest that is less than one: one source for two loops, each with its own budget of inlining.</summary>
    private interface ILaneAccess
    {
        static abstract V Load<V>(float* source, int lanes)
            where V : unmanaged, ILanes<V>;

        static abstract void Store<V>(float* destination, V value, int lanes)
            where V : unmanaged, ILanes<V>;
    }

    private readonly struct WholeLanes : ILaneAccess
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Load<V>(float* source, int lanes)
            where V : unmanaged, ILanes<V> => V.Load(source);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store<V>(float* destination, V value, int lanes)
            where V : unmanaged, ILanes<V> => V.Store(destination, value);
    }

    private readonly struct PartialLanes : ILaneAccess
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Load<V>(float* source, int lanes)
            where V : unmanaged, ILanes<V> => V.LoadPartial(source, lanes);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store<V>(float* destination, V value, int lanes)
            where V : unmanaged, ILanes<V> => V.StorePartial(destination, value, lanes);
    }
}
