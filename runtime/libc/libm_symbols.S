/* The functions of libm.so.6 that compiled networks may call; see libc_symbols.S. */
.text
.irp name, acos, acosf, acosh, acoshf, asin, asinf, asinh, asinhf, atan, atanf, atan2, atan2f, atanh, atanhf, ceil, ceilf, cos, cosf, cosh, coshf, erf, erff, erfc, erfcf, exp, expf, exp2, exp2f, expm1, expm1f, fabs, fabsf, floor, floorf, fma, fmaf, fmax, fmaxf, fmin, fminf, fmod, fmodf, lgamma, lgammaf, log, logf, log1p, log1pf, log2, log2f, nearbyint, nearbyintf, pow, powf, rint, rintf, round, roundf, roundeven, roundevenf, sin, sinf, sincos, sincosf, sinh, sinhf, sqrt, sqrtf, tan, tanf, tanh, tanhf, tgamma, tgammaf, trunc, truncf
.globl \name
.type \name, %function
\name:
.endr
.section .note.GNU-stack, "", %progbits
