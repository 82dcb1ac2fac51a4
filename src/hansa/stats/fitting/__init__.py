"""What fits share: Newton's method, scales, aliased columns, separation, Firth's penalised likelihood."""
