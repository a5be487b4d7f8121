package planner

import "gitee.com/ken.yang/xconsumer/internal/planner/solver"

// Effort returns the steps that are spent on a plan beyond rounding: on cycle canceling and on repair.
func Effort(in Input) int { return solver.Solve(newProblem(in)).Effort }

// Cost returns the cost of the present placement, by the levels in which plans are compared.
func Cost(in Input) []int64 { return solver.Cost(newProblem(in)) }
