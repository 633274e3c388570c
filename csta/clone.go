package csta

import "reflect"

// Clone returns a deep copy of m.
func Clone[M Message](m M) M {
	v := reflect.ValueOf(m)
	c := reflect.New(v.Type().Elem())
	copyInto(c.Elem(), v.Elem())
	return c.Interface().(M)
}

// copyInto copies src into dst, which is settable. Unexported fields of this
// package's structs have no content.
func copyInto(dst, src reflect.Value) {
	dst.Set(src)
	deepen(dst)
}

// deepen replaces what v shares with the value it was copied from.
func deepen(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			p := reflect.New(v.Type().Elem())
			copyInto(p.Elem(), v.Elem())
			v.Set(p)
		}
	case reflect.Slice:
		if !v.IsNil() {
			s := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(s, v)
			for i := range s.Len() {
				deepen(s.Index(i))
			}
			v.Set(s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); shares(f.Type()) {
				deepen(f)
			}
		}
	default:
	}
}

// shares reports whether a copy of a value of the type may share memory that
// can be changed.
func shares(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return true
	case reflect.Struct:
		for f := range t.Fields() {
			if shares(f.Type) {
				return true
			}
		}
	default:
	}
	return false
}
