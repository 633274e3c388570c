package csta

import (
	"reflect"
	"sync"
)

// Clone returns a deep copy of m.
func Clone[M Message](m M) M {
	v := reflect.ValueOf(m).Elem()
	c := reflect.New(v.Type())
	c.Elem().Set(v)
	deepen(c.Elem())
	return c.Interface().(M)
}

// deepen replaces what v shares with the value it was copied from.
func deepen(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			p := reflect.New(v.Type().Elem())
			p.Elem().Set(v.Elem())
			deepen(p.Elem())
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
		for _, i := range sharing(v.Type()) {
			deepen(v.Field(i))
		}
	default:
	}
}

var sharings sync.Map // reflect.Type of a struct → []int

// sharing returns the fields of a struct whose copies share memory that can be
// changed.
func sharing(t reflect.Type) []int {
	if list, ok := sharings.Load(t); ok {
		return list.([]int)
	}
	var list []int
	for i := range t.NumField() {
		switch f := t.Field(i).Type; f.Kind() {
		case reflect.Pointer, reflect.Slice:
			list = append(list, i)
		case reflect.Struct:
			if len(sharing(f)) > 0 {
				list = append(list, i)
			}
		default:
		}
	}
	sharings.Store(t, list)
	return list
}
