// area-v1, the only way to resize an image for a network. Training, serving and every client must agree
// on it to the last bit. It is therefore integer arithmetic with one rounding at the end, and an
// algorithm with other results must get another name.
//
// The definition, for an image of W x H values that becomes S x S:
//
//   - Each axis is resized separately. Where it does not grow (S <= W): exact area averaging. Output j
//     covers the input from j*W/S to (j+1)*W/S, and a pixel that is covered in part counts by that part.
//     Where it grows (S > W): linear interpolation between pixel centres at (j+0.5)*W/S - 0.5. Beyond the
//     edge, the outermost pixel is repeated.
//   - The image is stretched to a square, also if its width differs from its height. The camera is fixed, so every
//     sample is distorted in the same way, and no pixel of the network's input is spent on margins. (Pack refuses a set
//     that mixes ratios.)
//   - 16-bit values are first clipped to range16 [min, max]; the mean m becomes 255*(m-min)/(max-min).
//     8-bit values use [0, 255] for [min, max].
//   - The result is rounded once, to the nearest integer; halves are rounded up.

package dataset

// Resizer is the algorithm's name in manifests.
const Resizer = "area-v1"

// tap holds the inputs and weights of one output along one axis. The inputs begin at start, and there is
// one weight per input.
type tap struct {
	start   int
	weights []int64 // their sum is the axis' total
}

// taps returns one tap for each of the size outputs of an axis of n inputs, and the sum of the weights of
// each tap, which is the same for all.
func taps(n, size int) (axis []tap, total int64) {
	axis = make([]tap, size)
	if size > n {
		// In units of 1/(2*size): the centre of output j lies at (2j+1)*n - size.
		unit := 2 * size
		for j := range axis {
			at := (2*j+1)*n - size
			if at < 0 {
				axis[j] = tap{0, []int64{int64(unit)}}
				continue
			}
			left, part := at/unit, at%unit
			if left >= n-1 {
				axis[j] = tap{n - 1, []int64{int64(unit)}}
				continue
			}
			axis[j] = tap{left, []int64{int64(unit - part), int64(part)}}
		}
		return axis, int64(unit)
	}
	// In units of 1/size: input i spans [i*size, (i+1)*size), output j [j*n, (j+1)*n).
	for j := range axis {
		from, to := j*n, (j+1)*n
		t := tap{start: from / size}
		for i := t.start; i*size < to; i++ {
			t.weights = append(t.weights, int64(min(to, (i+1)*size)-max(from, i*size)))
		}
		axis[j] = t
	}
	return axis, int64(n)
}

// resize writes p as size x size bytes into out, one byte every stride bytes: one channel of an
// interleaved image. values.Min becomes 0 and values.Max becomes 255. The largest sum is that of a strip
// of 1 x maxSide pixels that is enlarged to MaxSize. It stays below
// (2*2^12) * 2^15 * 2^16 * 2^9 = 2^53.
func resize(p *plane, values Range16, size int, out []uint8, stride int) {
	columns, columnTotal := taps(p.width, size)
	rows, rowTotal := taps(p.height, size)
	full := columnTotal * rowTotal * int64(values.Max-values.Min) // the sum that becomes 255
	weightedRow := weightedRows(p, values, columns)
	sums := make([]int64, size) // one output row: the weighted sums of the input rows so far
	for j, row := range rows {
		clear(sums)
		for k, rowWeight := range row.weights {
			for i, sum := range weightedRow(row.start + k) {
				sums[i] += rowWeight * sum
			}
		}
		for i, sum := range sums {
			out[(j*size+i)*stride] = uint8((2*255*sum + full) / (2 * full))
		}
	}
}

// weightedRows returns a function that returns the weighted column sums of input row y. The function keeps
// the sums of the last even and the last odd row, because neighbouring outputs share input rows: where an
// image is enlarged, several outputs read the same two rows.
func weightedRows(p *plane, values Range16, columns []tap) func(y int) []int64 {
	var kept [2]struct {
		row  int // counted from 1; 0 means that no row is kept
		sums []int64
	}
	return func(y int) []int64 {
		k := &kept[y%2]
		if k.row == y+1 {
			return k.sums
		}
		if k.sums == nil {
			k.sums = make([]int64, len(columns))
		}
		k.row = y + 1
		pixels := p.pixels[y*p.width:][:p.width]
		for i, column := range columns {
			var sum int64
			for l, weight := range column.weights {
				v := min(max(pixels[column.start+l], values.Min), values.Max)
				sum += weight * int64(v-values.Min)
			}
			k.sums[i] = sum
		}
		return k.sums
	}
}
