namespace NativeDiffusion.Kernels;

/// <summary>How the 3C channels of qkv are assigned to heads h of d channels and to queries, keys and values.</summary>
public enum QkvOrder
{
    /// <summary>[q k v] of head 0, then of head 1, ...: ADM's legacy order.</summary>
    PerHead,

    /// <summary>All queries, all keys, all values; inside each, head h has channels h d to h d + d - 1: ADM's new order, DiT.</summary>
    Split,

    /// <summary>Channel (h d + i) 3 + {0, 1, 2} is query, key, value i of head h: EDM.</summary>
    Innermost,
}

/// <content>Multi-head self-attention without a T x T matrix in memory.</content>
public partial interface IKernels
{
    /// <summary>
    /// For each batch row and head, with s[i,j] = scale sum over c of q[i,c] k[j,c]: y[i] = sum over j of exp(s[i,j] - L[i]) v[j], where
    /// L[i] = log sum over j of exp(s[i,j]) (Vaswani et al. 2017, eq. 1; the running maximum and sum over blocks of keys as in Milakov and
    /// Gimelshein 2018). ADM and DiT scale by 1 / sqrt(d).
    /// </summary>
    /// <param name="qkv">[N, T, 3C].</param>
    /// <param name="heads">Number of heads; divides C, d = C / heads.</param>
    /// <param name="order">Order of qkv's channels. y's are head by head.</param>
    /// <param name="scale">Multiplies the products of queries and keys.</param>
    /// <param name="causal">Whether token i sees tokens 0 to i only: the sums run over j up to i.</param>
    /// <param name="y">[N, T, C].</param>
    /// <param name="logSumExp">[N, heads, T]: L, which the backward pass reads.</param>
    internal void AttentionForward(TensorView qkv, int heads, QkvOrder order, float scale, bool causal, TensorView y, TensorView logSumExp);

    /// <summary>
    /// Gradient of <see cref="AttentionForward"/>. With P[i,j] = exp(s[i,j] - L[i]) recomputed block by block and D[i] = dy[i] . y[i]
    /// (Dao et al. 2022, section 3.1): dv[j] = sum over i of P[i,j] dy[i], dS[i,j] = P[i,j] (dy[i] . v[j] - D[i]),
    /// dq[i] = scale sum over j of dS[i,j] k[j], dk[j] = scale sum over i of dS[i,j] q[i].
    /// </summary>
    /// <param name="qkv">[N, T, 3C], the input of the forward pass.</param>
    /// <param name="y">[N, T, C], its output.</param>
    /// <param name="logSumExp">[N, heads, T], its other output.</param>
    /// <param name="dy">[N, T, C], gradient for y.</param>
    /// <param name="heads">As in the forward pass.</param>
    /// <param name="order">As in the forward pass.</param>
    /// <param name="scale">As in the forward pass.</param>
    /// <param name="causal">As in the forward pass.</param>
    /// <param name="dqkv">[N, T, 3C], gradient for qkv.</param>
    /// <param name="accumulate">Add to dqkv instead of overwriting it.</param>
    internal void AttentionBackward(
        TensorView qkv, TensorView y, TensorView logSumExp, TensorView dy, int heads, QkvOrder order, float scale, bool causal, TensorView dqkv,
        bool accumulate);
}
