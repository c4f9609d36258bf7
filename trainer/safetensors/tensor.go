package safetensors

import (
	"fmt"
	"math"
)

// Tensor is a named float32 array.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// DType is the type of a tensor's numbers in a file.
type DType string

// The types that Reader.Tensors can read, each into float32. A file may hold tensors of other types, which it can skip.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
)

// widths has the bytes of one element for every type of the format that fills whole bytes.
var widths = map[DType]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
	"U16": 2, "I16": 2, F16: 2, BF16: 2,
	"U32": 4, "I32": 4, F32: 4,
	"U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// elements returns the product of the dimensions. A dimension below 0 and an overflow are errors.
func elements(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		// 8 is the width of the widest type: the number of bytes must not overflow either.
		if d < 0 || d > 0 && n > math.MaxInt64/8/d {
			return 0, fmt.Errorf("shape %v is impossible", shape)
		}
		n *= d
	}
	return n, nil
}

// widen returns one half-precision number, F16 or BF16, as float32. The result is exact; NaN stays NaN, and infinity
// stays infinity.
func (d DType) widen(bits uint16) float32 {
	if d == BF16 { // the upper half of a float32
		return math.Float32frombits(uint32(bits) << 16)
	}
	sign, exponent, fraction := uint32(bits>>15)<<31, uint32(bits>>10&0x1f), uint32(bits&0x3ff)
	switch exponent {
	case 0: // 0 and subnormal numbers: fraction x 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
