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
            // What a loop does not use it does not look up: each row of small images has its own call, which takes about a hundred cycles in all.
            bool deviates = TNoise.IsOn || TSecondary.IsOn, clips = TSecondary.IsOn ? Row->ClipsFirst : Row->Clip, clipsShifted = TSecondary.IsOn && Row->ClipsShifted;
            float* conditional = sources.Conditional, branch = TSecondary.IsOn ? null : (float*)sources.Branch[0];
            float* state = Z + at, next = Y + at, history = History + at;
            float* variance = deviates ? sources.Variance : null, noise = TNoise.IsOn ? sources.Noise : null;
            float* first = TSecondary.IsOn ? sources.First : null, weighted = TSecondary.IsOn ? sources.Weighted : null;
            float* history2 = TSecondary.IsOn ? History2 + at : null, history3 = TSecondary.IsOn ? History3 + at : null, storedState = TSecondary.IsOn ? State + at : null;
            float* denoised = TSecondary.IsOn && Denoised != null ? Denoised + at : null, shift = TSecondary.IsOn && Shift != null ? Shift + at : null;
            bool limits = TSecondary.IsOn && Limit != null;
            float least = limits ? -sources.Limit : clips ? Row->ClipLow : float.NegativeInfinity;
            float greatest = limits ? sources.Limit : clips ? Row->ClipHigh : float.PositiveInfinity;
            V low = V.Broadcast(least), high = V.Broadcast(greatest), inverseLimit = limits ? V.Broadcast(1 / sources.Limit) : V.Zero;
            V weight = TSecondary.IsOn ? V.Zero : V.Broadcast(sources.Weight[0]), conditionalWeight = TSecondary.IsOn ? V.Broadcast(sources.ConditionalWeight) : V.Zero;
            V xFromG = V.Broadcast(Row->XFromG), xFromZ = V.Broadcast(Row->XFromZ), a = V.Broadcast(Row->A), b = V.Broadcast(Row->B), p = V.Broadcast(Row->P);
            V historyFromX = V.Broadcast(Row->HistoryFromX), historyFromZ = V.Broadcast(Row->HistoryFromZ);
            V slope = deviates ? V.Broadcast(0.25f * (Row->LogVarMax - Row->LogVarMin)) : V.Zero, middle = deviates ? V.Broadcast(0.25f * (Row->LogVarMax + Row->LogVarMin)) : V.Zero;
            V c = deviates ? V.Broadcast(Row->C) : V.Zero;
            V e = V.Zero, f = V.Zero, q = V.Zero, p2 = V.Zero, p3 = V.Zero, xFromShift = V.Zero, yFromShift = V.Zero, yFromVariance = V.Zero, historyFromP1 = V.Zero;
            bool readsG = false, readsState = false, weighs = false, storesState = false, readsHistory2 = false, readsHistory3 = false;
            int shifts = 0;
            if (TSecondary.IsOn)
            {
                (e, f, q, p2, p3) = (V.Broadcast(Row->E), V.Broadcast(Row->F), V.Broadcast(Row->Q), V.Broadcast(Row->P2), V.Broadcast(Row->P3));
                (xFromShift, yFromShift, yFromVariance) = (V.Broadcast(Row->XFromShift), V.Broadcast(Row->YFromShift), V.Broadcast(Row->YFromVariance));
                historyFromP1 = V.Broadcast(Row->HistoryFromP1);
                (readsG, readsState, weighs) = (Row->E != 0, Row->Q != 0, sources.ConditionalWeight != 1);
                (storesState, readsHistory2, readsHistory3, shifts) = (Row->StoreState, Row->P2 != 0, Row->P3 != 0, Row->ShiftHistories);
            }
            bool readsHistory = Row->P != 0, storesHistory = Row->StoreHistory;
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
