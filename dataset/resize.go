// area-v1, the one way in which an image becomes a network's input. Training,
// serving and every client must agree on it to the last bit, so it is integer
// arithmetic with one rounding at the end, and its name changes when it does.
//
// The definition, for an image of W x H values to S x S:
//
//   - each axis by itself. Where it does not grow (S <= W): exact area averaging;
//     output j covers the input from j*W/S to (j+1)*W/S, parts of pixels counted
//     by their part. Where it grows (S > W): linear interpolation between pixel
//     centres, (j+0.5)*W/S - 0.5, the outermost pixels repeated beyond the edge.
//   - the image is stretched to the square, whatever its shape. The camera is
//     fixed, so every sample is distorted alike and none of the network's pixels
//     is spent on margins. (A set that mixes shapes is refused by Pack.)
//   - 16-bit values are first cut to range16 [min, max]; the mean m becomes
//     255*(m-min)/(max-min). 8-bit values are taken as they are, with [0, 255].
//   - the result is rounded once, to the nearest, halves up.

package dataset

// Resizer is the algorithm's name, as manifests record it.
const Resizer = "area-v1"

// tap is the stretch of input that one output reads along one axis.
type tap struct {
	start   int
	weights []int64 // sum to the axis' total
}

// taps returns the weights of an axis from n inputs to size outputs, and what
// they sum to for each output.
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

// resize writes p as size x size bytes into out, stride bytes apart: a channel
// of an interleaved image. The largest sum, a strip of 1 x maxSide enlarged to
// MaxSize, stays below (2*2^12) * 2^15 * 2^16 * 2^9 = 2^53.
func resize(p *plane, from Range16, size int, out []uint8, stride int) {
	columns, columnTotal := taps(p.width, size)
	rows, rowTotal := taps(p.height, size)
	whole := columnTotal * rowTotal * int64(from.Max-from.Min)
	line := weighted(p, from, columns)
	sums := make([]int64, size) // one output row, columns weighted, rows being added up
	for j, row := range rows {
		clear(sums)
		for k, rowWeight := range row.weights {
			for i, sum := range line(row.start + k) {
				sums[i] += rowWeight * sum
			}
		}
		for i, sum := range sums {
			out[(j*size+i)*stride] = uint8((2*255*sum + whole) / (2 * whole))
		}
	}
}

// weighted returns a function that weighs the columns of one row of p. It keeps
// the last even and the last odd row, because neighbouring outputs share them:
// where an image is enlarged, all of them read the same two several times.
func weighted(p *plane, from Range16, columns []tap) func(y int) []int64 {
	var kept [2]struct {
		row  int // counted from 1, so that 0 is none
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
		line := p.pixels[y*p.width:][:p.width]
		for i, column := range columns {
			var sum int64
			for l, weight := range column.weights {
				v := min(max(line[column.start+l], from.Min), from.Max)
				sum += weight * int64(v-from.Min)
			}
			k.sums[i] = sum
		}
		return k.sums
	}
}
