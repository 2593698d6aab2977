"""Linear discriminant analysis with classes of equal weight, from sums that are gathered part by part."""

from __future__ import annotations

import torch


class ClassMoments:
    """Counts, sums and products of the features (N,D) of each of K classes, in float64."""

    def __init__(self, num_classes: int, size: int, device: torch.device) -> None:
        self.counts = torch.zeros(num_classes, dtype=torch.float64, device=device)
        self.sums = torch.zeros(num_classes, size, dtype=torch.float64, device=device)
        self.products = torch.zeros(num_classes, size, size, dtype=torch.float64, device=device)

    def add(self, features: torch.Tensor, label: torch.Tensor) -> None:
        """Count features (N,D) with class ids (N,); samples with an id that is no class do not count."""
        for index in range(len(self.counts)):
            chosen = features[label == index].double()
            if len(chosen):
                self.counts[index] += len(chosen)
                self.sums[index] += chosen.sum(dim=0)
                self.products[index].addmm_(chosen.T, chosen)

    def merge(self, other: ClassMoments) -> None:
        """Count what another one has counted, too."""
        self.counts += other.counts
        self.sums += other.sums
        self.products += other.products


class Discriminant:
    """Linear discriminant analysis: features (N,D) → logits (N,K), in closed form.

    Every class has the same covariance, the mean of the classes' own, so that a rare class shapes it as much as a
    frequent one; `shrinkage` times its mean variance is added to each variance. With Σ, the means μ and the classes'
    shares π of the samples: logit_k = x'Σ⁻¹μ_k − μ_k'Σ⁻¹μ_k / 2, plus log π_k for the most likely class in the data.
    Each class has a sample.
    Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, equations 4.10 and 4.18.
    """

    def __init__(self, moments: ClassMoments, shrinkage: float) -> None:
        counts = moments.counts[:, None]
        means = moments.sums / counts
        covariance = sum(
            products / count - torch.outer(mean, mean)
            for products, count, mean in zip(moments.products, moments.counts, means, strict=True)
        )
        covariance = torch.as_tensor(covariance) / len(means)
        covariance.diagonal().add_(shrinkage * covariance.diagonal().mean())
        self.weights = torch.linalg.solve(covariance, means.T)  # (D,K)
        self.offsets = -0.5 * (means.T * self.weights).sum(dim=0)
        self.log_priors = (moments.counts / moments.counts.sum()).log()

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits (N,K) in float64 of features (N,D), the classes equally likely beforehand."""
        logits: torch.Tensor = features.double() @ self.weights + self.offsets
        return logits
