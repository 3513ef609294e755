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
            switch (sources.Noise != null, Secondary || sources.Combines)
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
        /// samplers have (E, Q, older histories, stored state, denoised) are compiled from the same source.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Step<V, TAccess, TNoise, TSecondary>(in Sources sources, long at, nint from, nint end, int lanes)
            where V : unmanaged, ILanes<V>
            where TAccess : unmanaged, ILaneAccess
            where TNoise : unmanaged, ISwitch
            where TSecondary : unmanaged, ISwitch
        {
            float* conditional = sources.Conditional, branch = (float*)sources.Branch[0], variance = sources.Variance, noise = sources.Noise, first = sources.First, weighted = sources.Weighted;
            float* state = Z + at, next = Y + at, history = History + at, history2 = History2 + at, history3 = History3 + at, storedState = State + at;
            float* denoised = Denoised == null ? null : Denoised + at, shift = Shift == null ? null : Shift + at;
            bool limits = Limit != null, clips = TSecondary.IsOn ? Row->ClipsFirst : Row->Clip, clipsShifted = TSecondary.IsOn && Row->ClipsShifted;
            float least = limits ? -sources.Limit : clips ? Row->ClipLow : float.NegativeInfinity;
            float greatest = limits ? sources.Limit : clips ? Row->ClipHigh : float.PositiveInfinity;
            V low = V.Broadcast(least), high = V.Broadcast(greatest), inverseLimit = V.Broadcast(1 / sources.Limit);
            V weight = V.Broadcast(sources.Weight[0]), conditionalWeight = V.Broadcast(sources.ConditionalWeight);
            V xFromG = V.Broadcast(Row->XFromG), xFromZ = V.Broadcast(Row->XFromZ), xFromShift = V.Broadcast(Row->XFromShift);
            V a = V.Broadcast(Row->A), b = V.Broadcast(Row->B), e = V.Broadcast(Row->E), f = V.Broadcast(Row->F), p = V.Broadcast(Row->P), q = V.Broadcast(Row->Q);
            V p2 = V.Broadcast(Row->P2), p3 = V.Broadcast(Row->P3);
            V historyFromX = V.Broadcast(Row->HistoryFromX), historyFromZ = V.Broadcast(Row->HistoryFromZ), historyFromP1 = V.Broadcast(Row->HistoryFromP1);
            V slope = V.Broadcast(0.25f * (Row->LogVarMax - Row->LogVarMin)), middle = V.Broadcast(0.25f * (Row->LogVarMax + Row->LogVarMin));
            V c = V.Broadcast(Row->C), yFromShift = V.Broadcast(Row->YFromShift), yFromVariance = V.Broadcast(Row->YFromVariance);
            bool readsG = Row->E != 0, readsHistory = Row->P != 0, readsState = Row->Q != 0, weighs = sources.ConditionalWeight != 1;
            bool storesHistory = Row->StoreHistory, storesState = Row->StoreState, readsHistory2 = Row->P2 != 0, readsHistory3 = Row->P3 != 0;
            int shifts = Row->ShiftHistories;
            for (nint i = from; i < end; i += V.Count)
            {
                V z = TAccess.Load<V>(state + i, lanes);
                V g = TSecondary.IsOn && conditional == null ? V.Zero : TAccess.Load<V>(conditional + i, lanes);
                if (!TSecondary.IsOn)
                {
                    if (branch != null) g = V.MultiplyAdd(weight, g - TAccess.Load<V>(branch + i, lanes), g);
                }
                else
                {
                    V p0 = g;
                    if (weighted != null) g = TAccess.Load<V>(weighted + i, lanes);
                    else if (weighs) g = conditionalWeight * g;
                    for (int k = 0; k < sources.Branches; k++)
                        g = V.MultiplyAdd(V.Broadcast(sources.Weight[k]), p0 - TAccess.Load<V>((float*)sources.Branch[k] + i, lanes), g);
                }
                // In this order of arguments a NaN stays one.
                V x = V.Min(high, V.Max(low, V.MultiplyAdd(xFromG, g, xFromZ * z)));
                if (TSecondary.IsOn && limits) x = x * inverseLimit;
                V moved = TSecondary.IsOn && shift != null ? TAccess.Load<V>(shift + i, lanes) : V.Zero;
                if (TSecondary.IsOn && shift != null) x = V.MultiplyAdd(xFromShift, moved, x);
                if (TSecondary.IsOn && clipsShifted) x = V.Min(V.Broadcast(Row->ClipHigh), V.Max(V.Broadcast(Row->ClipLow), x));
                V y = V.MultiplyAdd(b, x, a * z);
                if (TSecondary.IsOn && readsG) y = V.MultiplyAdd(e, g, y);
                V p1 = TSecondary.IsOn && first != null ? TAccess.Load<V>(first + i, lanes) : V.Zero;
                if (TSecondary.IsOn && first != null) y = V.MultiplyAdd(f, p1, y);
                if (readsHistory) y = V.MultiplyAdd(p, TAccess.Load<V>(history + i, lanes), y);
                if (TSecondary.IsOn && readsHistory2) y = V.MultiplyAdd(p2, TAccess.Load<V>(history2 + i, lanes), y);
                if (TSecondary.IsOn && readsHistory3) y = V.MultiplyAdd(p3, TAccess.Load<V>(history3 + i, lanes), y);
                if (TSecondary.IsOn && readsState) y = V.MultiplyAdd(q, TAccess.Load<V>(storedState + i, lanes), y);
                V deviation = c;
                if ((TNoise.IsOn || TSecondary.IsOn) && variance != null)
                    deviation = LanesMath.Exp(V.MultiplyAdd(slope, TAccess.Load<V>(variance + i, lanes), middle));
                if (TNoise.IsOn && noise != null) y = V.MultiplyAdd(deviation, TAccess.Load<V>(noise + i, lanes), y);
                if (TSecondary.IsOn && shift != null) y = V.MultiplyAdd(V.MultiplyAdd(yFromVariance, deviation * deviation, yFromShift), moved, y);
                if (TSecondary.IsOn && shifts > 1) TAccess.Store(history3 + i, TAccess.Load<V>(history2 + i, lanes), lanes);
                if (TSecondary.IsOn && shifts > 0) TAccess.Store(history2 + i, TAccess.Load<V>(history + i, lanes), lanes);
                if (storesHistory)
                {
                    V stored = V.MultiplyAdd(historyFromX, x, historyFromZ * z);
                    if (TSecondary.IsOn && first != null) stored = V.MultiplyAdd(historyFromP1, p1, stored);
                    TAccess.Store(history + i, stored, lanes);
                }
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
